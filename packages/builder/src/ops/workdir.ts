import { conflict } from '@berth/base';
import { digestOf } from '@berth/oci';
import type { WorkdirSpec } from '../graph/op-spec.ts';
import type { BuildOp } from '../solve/build-op.ts';
import { combineKey, inputParts } from '../solve/cache-key.ts';
import { changeRootfs, viewRootfs } from './change-rootfs.ts';
import { layersOf, type Ref } from './refs.ts';
import { findAccount } from './rootfs/accounts.ts';
import { Rootfs } from './rootfs/rootfs.ts';
import type { OpContext } from './services.ts';

/** WORKDIR: makes the directory, owned by the current user, when it is not there. */
export function workdir(spec: WorkdirSpec, context: OpContext): BuildOp<Ref> {
  return {
    cacheKey: async (inputs) =>
      combineKey({ definition: digestOf(JSON.stringify(spec)), ...inputParts(inputs.map((input) => input.key)) }),
    async run(inputs, options) {
      const base = layersOf(spec.onto ? inputs[0] : undefined);
      if (spec.path === '/') return base;
      const exists = await viewRootfs(context, base, async (root) => {
        const stats = new Rootfs(root).stat(spec.path);
        if (stats && !stats.isDirectory()) throw conflict(`Cannot mkdir: ${spec.path} is not a directory`);
        return stats !== undefined;
      });
      if (exists) return base;
      return await changeRootfs(
        context,
        base,
        async (root) => {
          const rootfs = new Rootfs(root);
          const owner = spec.user === '' ? { uid: 0, gid: 0 } : findAccount(rootfs, spec.user);
          rootfs.makeDirectory(spec.path, owner);
        },
        options,
      );
    },
  };
}
