import { createCliRuntime, runtimeRoot } from '@berth/runtime';
import { ociRuntimeContract } from '@berth/runtime/contract';
import { RuntimeFixture } from './runtime.fixture.ts';

for (const name of ['crun', 'runc'])
  ociRuntimeContract(name, async () => {
    const fixture = new RuntimeFixture();
    return {
      runtime: createCliRuntime({ name, path: `/usr/bin/${name}`, root: runtimeRoot(fixture.dir, name) }),
      makeBundle: async (id, input) => fixture.makeBundle(id, input),
      dispose: async () => fixture[Symbol.dispose](),
    };
  });
