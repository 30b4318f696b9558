import { readFileSync } from 'node:fs';
import { type CallOptions, notFound } from '@berth/base';
import type { Sandbox } from '@berth/networks';
import type { SpecNamespace } from '@berth/runtime';
import type { OpContext } from './services.ts';

/** The network a RUN step has. */
export interface StepNetwork {
  readonly namespace: SpecNamespace;
  readonly resolvConf: string;
  close(): Promise<void>;
}

/** `default` and `bridge`: the default bridge; `none`; `host`; `container:<id>`; else a network's name. */
export async function openStepNetwork(
  context: OpContext,
  id: string,
  mode: string,
  options: CallOptions,
): Promise<StepNetwork> {
  if (mode === 'host') return { namespace: 'host', resolvConf: hostResolvConf(), close: () => Promise.resolve() };
  const { networks } = context;
  const network = mode === 'default' || mode === '' ? 'bridge' : mode;
  const container = mode.startsWith('container:') ? mode.slice('container:'.length) : undefined;
  const close = (): Promise<void> => networks.closeSandbox(id);
  try {
    const sandbox = await networks.openSandbox(
      id,
      container === undefined ? { mode: 'private', network } : { mode: 'container', containerId: container },
      options,
    );
    if (sandbox.netnsPath === undefined) throw notFound(`the build step ${id} got no network namespace`);
    if (container === undefined && network !== 'none') await networks.connect(id, network, {}, options);
    return {
      namespace: { path: sandbox.netnsPath },
      resolvConf: resolvConf(networks.sandbox(id) ?? sandbox),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function resolvConf({ resolvConf: { nameservers, search, options } }: Sandbox): string {
  const lines = nameservers.map((server) => `nameserver ${server}`);
  if (search.length > 0) lines.push(`search ${search.join(' ')}`);
  if (options.length > 0) lines.push(`options ${options.join(' ')}`);
  return `${lines.join('\n')}\n`;
}

function hostResolvConf(): string {
  try {
    return readFileSync('/etc/resolv.conf', 'utf8');
  } catch {
    return '';
  }
}
