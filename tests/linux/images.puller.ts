import { openImageStore } from './images.fixture.ts';

// Pulls in a process of its own, so that a test can kill it: images.puller.ts <data root> <name>
const [root = '', name = ''] = process.argv.slice(2);
const store = await openImageStore(root);
await store.images.pull(name, {});
await store[Symbol.asyncDispose]();
