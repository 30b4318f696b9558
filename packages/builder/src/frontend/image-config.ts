import type { ImageRunConfig } from '@berth/oci';

/** An image configuration being put together; instructions change it in place. */
export type DraftConfig = { -readonly [K in keyof ImageRunConfig]?: ImageRunConfig[K] };

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function setVariable(env: readonly string[], name: string, value: string): readonly string[] {
  const entry = `${name}=${value}`;
  const at = env.findIndex((item) => item === name || item.startsWith(`${name}=`));
  return at < 0 ? [...env, entry] : env.with(at, entry);
}

export function variable(env: readonly string[] | undefined, name: string): string | undefined {
  return env?.find((item) => item.startsWith(`${name}=`))?.slice(name.length + 1);
}

export function withDefaultPath(config: DraftConfig): void {
  if (variable(config.Env, 'PATH') === undefined) config.Env = setVariable(config.Env ?? [], 'PATH', DEFAULT_PATH);
}
