import { EngineError, isKind } from '@berth/base';
import { type CommandOptions, runCommand } from './command.ts';

type IpOptions = Pick<CommandOptions, 'signal' | 'netns' | 'timeoutMs'> & {
  /** Go on after a line that fails and report the first failure at the end. */
  readonly force?: boolean;
};

/**
 * Runs lines of `ip` commands (`link add br0 type bridge`) in one process, in order, stopping at the first failure.
 * Words must hold no white space. Throws `conflict` (exists), `notFound` (no such device), `internal`; the message is
 * what `ip` says.
 */
export async function ipBatch(lines: readonly string[], options: IpOptions = {}): Promise<void> {
  if (lines.length === 0) return;
  for (const line of lines)
    if (/[\n\r\0]/.test(line))
      throw new EngineError('invalid', `ip command holds a line break: ${JSON.stringify(line)}`);
  const { force, ...rest } = options;
  try {
    await runCommand('ip', [...(force ? ['-force'] : []), '-batch', '-'], { ...rest, stdin: `${lines.join('\n')}\n` });
  } catch (error) {
    throw explain(error);
  }
}

const explain = (error: unknown): unknown => {
  if (!(error instanceof EngineError) || !isKind(error, 'internal')) return error;
  const { stderr } = error.details;
  if (typeof stderr !== 'string') return error;
  const text = stderr.trim();
  const kind = /File exists|Address already assigned/.test(text)
    ? 'conflict'
    : /Cannot find device|No such|does not exist/.test(text)
      ? 'notFound'
      : 'internal';
  return new EngineError(kind, `ip: ${text}`, { cause: error, details: error.details });
};

const ipJson = async <T>(args: readonly string[], options: IpOptions): Promise<readonly T[]> => {
  const { stdout } = await runCommand('ip', ['-json', ...args], options).catch((error: unknown) => {
    throw explain(error);
  });
  const rows = (stdout.trim() === '' ? [] : JSON.parse(stdout)) as readonly T[];
  return rows.filter((row) => Object.keys(row as object).length > 0);
};

/** A line of `ip -json addr`. */
export interface IpLink {
  readonly ifindex: number;
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly operstate: string;
  readonly link_type: string;
  readonly address?: string;
  readonly master?: string;
  readonly addr_info: readonly {
    readonly family: 'inet' | 'inet6';
    readonly local: string;
    readonly prefixlen: number;
    readonly scope: string;
  }[];
}

/** A line of `ip -json route`; `dst` is `default`, an address or a CIDR. */
export interface IpRoute {
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly protocol?: string;
  readonly prefsrc?: string;
  readonly type?: string;
  readonly metric?: number;
}

export function ipAddresses(options: IpOptions = {}): Promise<readonly IpLink[]> {
  return ipJson<IpLink>(['addr', 'show'], options);
}

/** Routes of every table, IPv4 or IPv6, for choosing subnets nobody uses. */
export function ipRoutes(options: IpOptions & { readonly family?: 4 | 6 } = {}): Promise<readonly IpRoute[]> {
  const { family = 4, ...rest } = options;
  return ipJson<IpRoute>([`-${family}`, 'route', 'show', 'table', 'all'], rest);
}

/** Links with kind details, as `ip -json -details link` prints them; optionally only those of one kind (`bridge`). */
export function ipLinks(
  options: IpOptions & { readonly type?: string } = {},
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { type, ...rest } = options;
  return ipJson(['-details', 'link', 'show', ...(type === undefined ? [] : ['type', type])], rest);
}
