import { command as define } from '../command.ts';
import { ExitError } from '../failure.ts';

export const command = define({
  usage: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
  summary: 'List port mappings or a specific mapping for the container',
  flags: {},
  args: [1, 2],
  async run({ context, args: [id = '', wanted] }) {
    const { NetworkSettings } = await (await context.client()).call('ContainerInspect', { params: { id } });
    const ports = NetworkSettings.Ports ?? {};
    const shown = ({ HostIp = '', HostPort = '' }): string =>
      `${HostIp.includes(':') ? `[${HostIp}]` : HostIp}:${HostPort}`;
    if (wanted === undefined) {
      for (const [port, bindings] of Object.entries(ports)) {
        for (const binding of bindings ?? []) context.print(`${port} -> ${shown(binding)}`);
      }
      return 0;
    }
    const bindings = ports[wanted.includes('/') ? wanted : `${wanted}/tcp`];
    if (!bindings?.length) throw new ExitError(1, `Error: No public port '${wanted}' published for ${id}`);
    for (const binding of bindings) context.print(shown(binding));
    return 0;
  },
});
