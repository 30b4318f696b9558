import { registerHooks } from 'node:module';
import { resolveOwnModule } from './own-modules.ts';

// Node looks at the file system several times for each of two thousand imports: two fifths of the daemon's start.
registerHooks({
  resolve(specifier, context, nextResolve) {
    const url = resolveOwnModule(specifier, context.parentURL);
    return url === undefined
      ? nextResolve(specifier, context)
      : { url, format: 'module-typescript', shortCircuit: true };
  },
});
