import { conflict } from '@berth/base';
import type { RuntimeProcess } from '@berth/oci';
import { buildExecProcess, resolveUser } from '@berth/runtime';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import type { ExecSettings } from './exec.ts';
import { rootfsPath } from './paths.ts';

/** The runtime's `process` object for an exec: the container's own settings, changed by what the exec asks for. */
export async function execProcessSpec(
  deps: ContainerDeps,
  container: Container,
  exec: ExecSettings,
  consoleSize: readonly number[] | null | undefined,
): Promise<RuntimeProcess> {
  const input = container.specInput;
  if (!input) throw conflict(`container ${container.id} is not running`);
  const { settings, host } = container.record;
  const user =
    exec.user === '' || exec.user === settings.user
      ? { ...input.user, home: homeOf(input.env) }
      : await resolveUser(rootfsPath(deps, container.id), exec.user, host.groupAdd ?? []);
  const [height, width] = consoleSize ?? [];
  return buildExecProcess({
    container: input,
    args: exec.cmd,
    env: execEnvironment(input.env, exec, user.home),
    cwd: exec.workingDir || input.cwd,
    user,
    terminal: exec.tty,
    privileged: exec.privileged,
    ...(height && width ? { consoleSize: { height, width } } : {}),
  });
}

/** Throws `invalid` when the container does not know the user that an exec asks for. */
export async function assertUser(deps: ContainerDeps, container: Container, { user }: ExecSettings): Promise<void> {
  if (user !== '' && user !== container.record.settings.user)
    await resolveUser(rootfsPath(deps, container.id), user, container.record.host.groupAdd ?? []);
}

function homeOf(env: readonly string[]): string {
  return env.find((entry) => entry.startsWith('HOME='))?.slice(5) ?? '/';
}

function execEnvironment(container: readonly string[], exec: ExecSettings, home: string): readonly string[] {
  const values = new Map(container.map(split));
  values.set('HOME', home);
  if (exec.tty && !values.has('TERM')) values.set('TERM', 'xterm');
  for (const [name, value] of exec.env.filter((entry) => entry.includes('=')).map(split)) values.set(name, value);
  return [...values].map(([name, value]) => `${name}=${value}`);
}

function split(entry: string): [string, string] {
  const at = entry.indexOf('=');
  return [entry.slice(0, at), entry.slice(at + 1)];
}
