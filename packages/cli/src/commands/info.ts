import type { SystemInfo } from '@berth/engine-api';
import { CLI_VERSION } from '../cli-version.ts';
import { command as define } from '../command.ts';
import { text } from '../flags.ts';
import { printInspected } from '../table.ts';
import { binarySize } from '../units.ts';

export const command = define({
  usage: '[OPTIONS]',
  summary: 'Display system-wide information',
  flags: { format: text('f', "Format output: 'json', or a template") },
  args: [0, 0],
  async run({ context, flags: { format } }) {
    const info = await (await context.client()).call('SystemInfo');
    if (format === 'json') context.print(JSON.stringify(info));
    else if (format !== undefined) await printInspected(context, [info], format);
    else context.print(textOf(info));
    for (const warning of info.Warnings ?? []) context.warn(warning);
    return 0;
  },
});

function textOf(info: SystemInfo): string {
  const lines = ['Client: Berth', ` Version:    ${CLI_VERSION}`, '', 'Server:'];
  const add = (name: string, value: unknown, indent = 1): void => {
    if (value !== undefined && value !== '') lines.push(`${' '.repeat(indent)}${name}: ${String(value)}`);
  };
  add('Containers', info.Containers);
  add('Running', info.ContainersRunning, 2);
  add('Paused', info.ContainersPaused, 2);
  add('Stopped', info.ContainersStopped, 2);
  add('Images', info.Images);
  add('Server Version', info.ServerVersion);
  add('Storage Driver', info.Driver);
  for (const [name = '', value] of info.DriverStatus ?? []) add(name, value, 2);
  add('Logging Driver', info.LoggingDriver);
  add('Cgroup Driver', info.CgroupDriver);
  add('Cgroup Version', info.CgroupVersion);
  lines.push(' Plugins:');
  for (const name of ['Volume', 'Network', 'Log'] as const) add(name, (info.Plugins[name] ?? []).join(' '), 2);
  add('Swarm', info.Swarm.LocalNodeState || 'inactive');
  add(
    'Runtimes',
    Object.keys(info.Runtimes ?? {})
      .sort()
      .join(' '),
  );
  add('Default Runtime', info.DefaultRuntime);
  add('Init Binary', info.InitBinary);
  if (info.SecurityOptions?.length)
    lines.push(
      ' Security Options:',
      ...info.SecurityOptions.map((option) => `  ${option.replace(/^name=/, '').split(',')[0]}`),
    );
  add('Kernel Version', info.KernelVersion);
  add('Operating System', info.OperatingSystem);
  add('OSType', info.OSType);
  add('Architecture', info.Architecture);
  add('CPUs', info.NCPU);
  add('Total Memory', binarySize(info.MemTotal));
  add('Name', info.Name);
  add('ID', info.ID);
  add('Docker Root Dir', info.DockerRootDir);
  add('Debug Mode', info.Debug);
  add('HTTP Proxy', info.HttpProxy);
  add('HTTPS Proxy', info.HttpsProxy);
  add('Experimental', info.ExperimentalBuild);
  const { RegistryConfig: registry } = info;
  if (registry?.InsecureRegistryCIDRs?.length)
    lines.push(' Insecure Registries:', ...registry.InsecureRegistryCIDRs.map((cidr) => `  ${cidr}`));
  if (registry?.Mirrors?.length) lines.push(' Registry Mirrors:', ...registry.Mirrors.map((mirror) => `  ${mirror}`));
  add('Live Restore Enabled', info.LiveRestoreEnabled);
  return lines.join('\n');
}
