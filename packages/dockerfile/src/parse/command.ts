import type { CommandInstruction, CommandLine, RunInstruction, ShellInstruction } from '../instructions.ts';
import { fail, type InstructionSource, jsonList } from './input.ts';
import { parseMount } from './mount.ts';

export function commandLine(source: InstructionSource): CommandLine {
  const json = jsonList(source);
  return json ? { shell: false, args: json } : { shell: true, args: [source.rest] };
}

export function parseCommand(source: InstructionSource): RunInstruction {
  const mounts = source.flags.list('mount').map((text) => parseMount(text, source));
  const network = source.flags.text('network') ?? 'default';
  if (network !== 'default' && network !== 'none' && network !== 'host')
    throw fail(source, `invalid network mode: ${JSON.stringify(network)}`);
  const security = source.flags.text('security') ?? 'sandbox';
  if (security !== 'sandbox' && security !== 'insecure')
    throw fail(source, `invalid security mode: ${JSON.stringify(security)}`);
  const command = commandLine(source);
  if (command.args.length === 0 || (command.shell && command.args[0] === ''))
    throw fail(source, 'RUN requires at least one argument');
  return { kind: 'run', ...source.node, command, mounts, network, security };
}

export function parseEntry(kind: 'cmd' | 'entrypoint'): (source: InstructionSource) => CommandInstruction {
  return (source) => {
    const command = commandLine(source);
    const empty = command.shell && command.args[0] === '';
    if (empty && kind === 'entrypoint') throw fail(source, 'ENTRYPOINT requires at least one argument');
    return { kind, ...source.node, command: empty ? { shell: false, args: [] } : command };
  };
}

export function parseShell(source: InstructionSource): ShellInstruction {
  const shell = jsonList(source);
  if (!shell) throw fail(source, 'SHELL requires the arguments to be in JSON form');
  if (shell.length === 0) throw fail(source, 'SHELL requires at least one argument');
  return { kind: 'shell', ...source.node, shell };
}
