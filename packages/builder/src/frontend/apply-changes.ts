import { invalid } from '@berth/base';
import { parseSingleInstruction } from '@berth/dockerfile';
import type { ImageRunConfig } from '@berth/oci';
import { hostPlatform } from '@berth/oci';
import { applyConfig } from './instructions/config.ts';
import { absolutePath } from './instructions/workdir.ts';
import { Scope } from './scope.ts';
import { DEFAULT_SHELL, type StageDraft } from './stage.ts';

/**
 * Applies `--change` instructions of commit and import to a configuration.
 *
 * Errors: `invalid`, also for instructions that do more than configure (`<name> is not a valid change command`).
 */
export function applyChanges(config: ImageRunConfig, changes: readonly string[]): ImageRunConfig {
  const scope = new Scope({ escape: '\\', given: {}, used: new Set(), inherited: () => undefined });
  scope.env = config.Env ?? [];
  const stage: StageDraft = {
    index: 0,
    scope,
    platform: hostPlatform(),
    root: undefined,
    config: structuredClone(config),
    shell: config.Shell ?? DEFAULT_SHELL,
    cmdSet: false,
    author: undefined,
    base: undefined,
    history: [],
    steps: [],
    quietEnv: [],
  };
  for (const change of changes) {
    const instruction = parseSingleInstruction(change);
    switch (instruction.kind) {
      case 'workdir':
        stage.config.WorkingDir = absolutePath(stage, scope.expand(instruction.value));
        break;
      case 'cmd':
      case 'entrypoint':
      case 'env':
      case 'expose':
      case 'healthcheck':
      case 'label':
      case 'onbuild':
      case 'shell':
      case 'stopsignal':
      case 'user':
      case 'volume':
        applyConfig(stage, instruction);
        break;
      default:
        throw invalid(`${instruction.kind} is not a valid change command`);
    }
  }
  return stage.config;
}
