import { join } from 'node:path';
import { type CallOptions, invalid, isKind, notFound, throwIfAborted } from '@berth/base';
import { defaultNetwork, type NetworkContext } from '../context.ts';
import type { NetworkRecord } from '../network-driver.ts';
import type { Sandbox, SandboxInput } from '../network-service.ts';
import { isUserDefined } from '../user-defined.ts';
import { getNetwork } from '../verbs/get.ts';
import { closeHeld } from './close.ts';
import { poolOwner } from './pool.ts';
import { resolvConfOf } from './resolv.ts';
import type { SandboxRecord } from './sandbox-record.ts';

export async function openSandbox(
  context: NetworkContext,
  containerId: string,
  input: SandboxInput,
  { signal }: CallOptions = {},
): Promise<Sandbox> {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(containerId)) throw invalid(`invalid container ID "${containerId}"`);
  using _held = await context.locks.acquire(`sandbox:${containerId}`, { signal });
  // Left by a start that failed before it could close it.
  closeHeld(context, containerId);
  const record = await makeRecord(context, containerId, input);
  context.store.putSandbox(record);
  try {
    if (input.mode === 'private') await applySysctls(context, record, input.sysctls ?? {});
    throwIfAborted(signal);
  } catch (error) {
    closeHeld(context, containerId);
    throw error;
  }
  return sandboxOf(context, record);
}

/** A live view: its resolvConf follows the endpoints. */
export function sandboxOf(context: NetworkContext, record: SandboxRecord): Sandbox {
  const base = record.mode === 'container' ? undefined : record;
  const current = (): SandboxRecord =>
    base ? (context.store.sandbox(record.containerId) ?? record) : targetOf(context, record);
  return {
    containerId: record.containerId,
    netnsPath: netnsPathOf(context, current()),
    get resolvConf() {
      return resolvConfOf(context, current());
    },
  };
}

export function netnsPathOf({ netnsDirectory }: NetworkContext, record: SandboxRecord): string | undefined {
  return record.netns === undefined ? undefined : join(netnsDirectory, record.netns);
}

/** The sandbox that a chain of shared ones ends at. */
function targetOf({ store }: NetworkContext, record: SandboxRecord): SandboxRecord {
  let at = record;
  for (let depth = 0; at.mode === 'container'; depth++) {
    const next = at.target === undefined || depth > 32 ? undefined : store.sandbox(at.target);
    if (!next) throw notFound(`cannot join network of a non running container: ${at.target}`);
    at = next;
  }
  return at;
}

async function makeRecord(context: NetworkContext, containerId: string, input: SandboxInput): Promise<SandboxRecord> {
  if (input.mode === 'host') return { containerId, mode: 'host' };
  if (input.mode === 'container') {
    const record: SandboxRecord = { containerId, mode: 'container', target: input.containerId };
    targetOf(context, record);
    return record;
  }
  const first = firstNetwork(context, input.network);
  const given: SandboxRecord = {
    containerId,
    mode: 'private',
    ...(input.dns ? { dns: input.dns } : {}),
    ...(input.dnsSearch ? { dnsSearch: input.dnsSearch } : {}),
    ...(input.dnsOptions ? { dnsOptions: input.dnsOptions } : {}),
    ...(first && isUserDefined(first) ? { expectsNames: true } : {}),
    ...(input.withoutIpv6 ? { withoutIpv6: true } : {}),
  };
  const returns = first !== undefined && context.lastAddresses.of(containerId, first.id, 4) !== undefined;
  // Ready ones have addresses already: who had one here before is to have that again.
  const connected = first !== undefined && first.id === defaultNetwork(context.store)?.id && !returns;
  const ready = context.pool.take(connected ? 'connected' : 'plain');
  if (ready) {
    if (ready.link) context.allocator.transferOwner(poolOwner(ready.netns), containerId);
    return { ...given, netns: ready.netns, ...(ready.link ? { prepared: ready.link } : {}) };
  }
  const path = join(context.netnsDirectory, containerId);
  await context.host.removeNetns(path);
  await context.host.createNetns(path);
  // The bridge driver brings loopback up along with the interface: one process less on the way of a start.
  if (first?.driver === 'bridge') return { ...given, netns: containerId };
  await context.host.ipIn(path, ['link set lo up']).catch(async (error: unknown) => {
    await context.host.removeNetns(path);
    throw error;
  });
  return { ...given, netns: containerId };
}

function firstNetwork(context: NetworkContext, name: string | undefined): NetworkRecord | undefined {
  if (name === undefined) return undefined;
  try {
    return getNetwork(context, name === 'default' ? 'bridge' : name);
  } catch (error) {
    // Only a hint: whoever connects hears about it.
    if (isKind(error, 'notFound', 'invalid')) return undefined;
    throw error;
  }
}

async function applySysctls(
  context: NetworkContext,
  record: SandboxRecord,
  sysctls: Readonly<Record<string, string>>,
): Promise<void> {
  const path = netnsPathOf(context, record);
  if (path === undefined || Object.keys(sysctls).length === 0) return;
  const files = Object.entries(sysctls).map(([name, value]) => {
    if (!/^net(\.[a-zA-Z0-9_-]+)+$/.test(name)) throw invalid(`sysctl ${name} is not of the network namespace`);
    return [name.replaceAll('.', '/'), value] as const;
  });
  await context.host.sysctlIn(path, Object.fromEntries(files));
}
