import type { Port } from '@berth/engine-api';

/** `0.0.0.0:8080->80/tcp, 90/udp`: neighbouring ports of one address are shown as ranges. */
export function formatPorts(ports: readonly Port[]): string {
  const groups = new Map<string, Port[]>();
  for (const port of [...ports].sort(byPort)) {
    const key = `${port.IP ?? ''}|${port.Type}|${port.PublicPort === undefined ? 'none' : port.PublicPort - port.PrivatePort}`;
    const group = groups.get(key) ?? [];
    const last = group.at(-1);
    if (last !== undefined && port.PrivatePort !== last.PrivatePort + 1)
      groups.set(`${key}|${port.PrivatePort}`, [port]);
    else groups.set(key, [...group, port]);
  }
  return [...groups.values()].map(formatGroup).join(', ');
}

const byPort = (a: Port, b: Port): number => a.PrivatePort - b.PrivatePort || (a.IP ?? '').localeCompare(b.IP ?? '');

function formatGroup(group: readonly Port[]): string {
  const [first, last] = [group[0], group.at(-1)];
  if (first === undefined || last === undefined) return '';
  const span = (a: number, b: number): string => (a === b ? String(a) : `${a}-${b}`);
  const inside = `${span(first.PrivatePort, last.PrivatePort)}/${first.Type}`;
  if (first.PublicPort === undefined || last.PublicPort === undefined) return inside;
  const ip = first.IP?.includes(':') ? `[${first.IP}]` : (first.IP ?? '');
  return `${ip}:${span(first.PublicPort, last.PublicPort)}->${inside}`;
}
