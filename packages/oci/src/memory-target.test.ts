import { targetContract } from './contract.ts';
import { createMemoryTarget } from './memory-target.ts';

targetContract(async () => ({ target: createMemoryTarget(), [Symbol.asyncDispose]: async () => undefined }), {
  name: 'memory target',
});
