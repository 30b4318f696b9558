import type { ContainerUpdateBody } from '@berth/engine-api';
import { command as define } from '../command.ts';
import { forEach } from '../each.ts';
import { ExitError } from '../failure.ts';
import { number, text } from '../flags.ts';
import { compact, restartPolicy } from '../run/body.ts';
import { nanoCpus } from '../run/checks.ts';
import { parseBytes } from '../units.ts';

const bytes = (given: string | undefined): number | undefined =>
  given === undefined ? undefined : given === '-1' ? -1 : parseBytes(given);

export const command = define({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Update configuration of one or more containers',
  flags: {
    'blkio-weight': number(undefined, 'Block IO weight'),
    'cpu-period': number(undefined, 'CPU CFS period in microseconds'),
    'cpu-quota': number(undefined, 'CPU CFS quota in microseconds'),
    'cpu-shares': number('c', 'CPU shares (relative weight)'),
    cpus: text(undefined, 'Number of CPUs', 'decimal'),
    'cpuset-cpus': text(undefined, 'CPUs in which to allow execution'),
    'cpuset-mems': text(undefined, 'Memory nodes in which to allow execution'),
    memory: text('m', 'Memory limit', 'bytes'),
    'memory-reservation': text(undefined, 'Memory soft limit', 'bytes'),
    'memory-swap': text(undefined, 'Memory and swap together; -1 for unlimited swap', 'bytes'),
    'pids-limit': number(undefined, 'Tune container pids limit (-1 for unlimited)'),
    restart: text(undefined, 'Restart policy to apply when a container exits'),
  },
  args: [1, Number.POSITIVE_INFINITY],
  async run({ context, flags, args, given }) {
    if (given.size === 0) throw new ExitError(1, 'you must provide one or more flags when using this command');
    const client = await context.client();
    const body = compact<ContainerUpdateBody>({
      BlkioWeight: flags['blkio-weight'],
      CpuPeriod: flags['cpu-period'],
      CpuQuota: flags['cpu-quota'],
      CpuShares: flags['cpu-shares'],
      NanoCpus: flags.cpus === undefined ? undefined : nanoCpus(flags.cpus),
      CpusetCpus: flags['cpuset-cpus'],
      CpusetMems: flags['cpuset-mems'],
      Memory: bytes(flags.memory),
      MemoryReservation: bytes(flags['memory-reservation']),
      MemorySwap: bytes(flags['memory-swap']),
      PidsLimit: flags['pids-limit'],
      RestartPolicy: restartPolicy(flags.restart),
    });
    return forEach(context, args, async (id) => {
      const { Warnings } = await client.call('ContainerUpdate', { params: { id }, body });
      for (const warning of Warnings ?? []) context.warn(warning);
    });
  },
});
