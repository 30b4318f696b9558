import { busyboxTar } from '../tests/harness/images.ts';
import { makeImages } from './images.ts';

await busyboxTar();
await makeImages((text) => console.log(`bench: ${text}`));
