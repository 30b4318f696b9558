import { invalid } from '@berth/base';
import type { CommandLine, HealthcheckInstruction, Instruction, KeyValue } from '@berth/dockerfile';
import type { HealthConfig } from '@berth/oci';
import type { Dispatched } from '../dispatch.ts';
import { setVariable } from '../image-config.ts';
import type { StageDraft } from '../stage.ts';
import { comment } from './comment.ts';
import { exposedPorts } from './expose.ts';
import { readStopSignal } from './stop-signal.ts';

type ConfigInstruction = Exclude<Instruction, { readonly kind: 'from' | 'run' | 'copy' | 'add' }>;

/** Instructions that change the image's configuration and nothing else. */
export function applyConfig(stage: StageDraft, instruction: ConfigInstruction): Dispatched {
  const { config, scope } = stage;
  const noted = (text: string): Dispatched => ({ createdBy: comment(stage, text) });
  switch (instruction.kind) {
    case 'arg':
      scope.declare(instruction);
      return noted(instruction.original.replace(/\s+/g, ' '));
    case 'env': {
      const pairs = expandPairs(stage, instruction.pairs);
      for (const [key, value] of pairs) config.Env = setVariable(config.Env ?? [], key, value);
      scope.env = config.Env ?? [];
      return noted(`ENV ${pairs.map(([key, value]) => `${key}=${value}`).join(' ')}`);
    }
    case 'label': {
      const pairs = expandPairs(stage, instruction.pairs);
      config.Labels = { ...config.Labels, ...Object.fromEntries(pairs) };
      return noted(`LABEL ${pairs.map(([key, value]) => `${key}=${value}`).join(' ')}`);
    }
    case 'maintainer':
      stage.author = instruction.value;
      return noted(`MAINTAINER ${instruction.value}`);
    case 'user':
      config.User = scope.expand(instruction.value);
      if (config.User === '') throw invalid('USER requires exactly one argument');
      return noted(`USER ${config.User}`);
    case 'stopsignal':
      config.StopSignal = readStopSignal(scope.expand(instruction.value));
      return noted(`STOPSIGNAL ${config.StopSignal}`);
    case 'expose': {
      const ports = exposedPorts(instruction.values.flatMap((value) => scope.expandList(value)));
      config.ExposedPorts = { ...config.ExposedPorts, ...Object.fromEntries(ports.map((port) => [port, {}])) };
      return noted(`EXPOSE ${ports.join(' ')}`);
    }
    case 'volume': {
      const paths = instruction.values.map((value) => scope.expand(value));
      if (paths.includes('')) throw invalid('VOLUME specified can not be an empty string');
      config.Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
      return noted(`VOLUME [${paths.join(' ')}]`);
    }
    case 'cmd':
      config.Cmd = argumentList(stage, instruction.command);
      stage.cmdSet = true;
      return noted(`CMD ${JSON.stringify(config.Cmd)}`);
    case 'entrypoint': {
      const entrypoint = argumentList(stage, instruction.command);
      config.Entrypoint = entrypoint;
      // a CMD from the base image was meant for the base image's entry point
      if (!stage.cmdSet) delete config.Cmd;
      return noted(`ENTRYPOINT ${JSON.stringify(entrypoint)}`);
    }
    case 'shell':
      stage.shell = instruction.shell;
      config.Shell = instruction.shell;
      return noted(`SHELL [${instruction.shell.join(' ')}]`);
    case 'onbuild':
      config.OnBuild = [...(config.OnBuild ?? []), instruction.trigger];
      return noted(`ONBUILD ${instruction.trigger}`);
    case 'healthcheck':
      config.Healthcheck = healthConfig(instruction);
      return noted(`HEALTHCHECK ${JSON.stringify(config.Healthcheck)}`);
    case 'workdir':
      throw invalid('WORKDIR is not only configuration');
  }
}

function expandPairs(stage: StageDraft, pairs: readonly KeyValue[]): readonly (readonly [string, string])[] {
  // every value sees the variables as they were before the instruction
  return pairs.map(({ key, value }) => {
    const name = stage.scope.expand(key);
    if (name === '') throw invalid('names can not be blank');
    return [name, stage.scope.expand(value)];
  });
}

export function argumentList(stage: StageDraft, { shell, args }: CommandLine): readonly string[] {
  return shell ? [...stage.shell, ...args] : args;
}

function healthConfig(instruction: HealthcheckInstruction): HealthConfig {
  const { test, interval, timeout, startPeriod, startInterval, retries } = instruction;
  if (test === 'NONE') return { Test: ['NONE'] };
  return {
    Test: [test.shell ? 'CMD-SHELL' : 'CMD', ...test.args],
    ...(interval === undefined ? {} : { Interval: interval }),
    ...(timeout === undefined ? {} : { Timeout: timeout }),
    ...(startPeriod === undefined ? {} : { StartPeriod: startPeriod }),
    ...(startInterval === undefined ? {} : { StartInterval: startInterval }),
    ...(retries === undefined ? {} : { Retries: retries }),
  };
}
