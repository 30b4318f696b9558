import { readDuration } from '../duration.ts';
import type { HealthcheckInstruction } from '../instructions.ts';
import { commandLine } from './command.ts';
import { fail, type InstructionSource } from './input.ts';

const SHORTEST = 1e6;

export function parseHealthcheck(source: InstructionSource): HealthcheckInstruction {
  const match = /^(\S*)\s*([\s\S]*)$/.exec(source.rest);
  const type = match?.[1] ?? '';
  const rest = match?.[2] ?? '';
  if (type === '') throw fail(source, 'HEALTHCHECK requires at least one argument');
  if (type.toUpperCase() === 'NONE') {
    if (rest !== '') throw fail(source, 'HEALTHCHECK NONE takes no arguments');
    return { kind: 'healthcheck', ...source.node, test: 'NONE' };
  }
  if (type.toUpperCase() !== 'CMD')
    throw fail(source, `Unknown type ${JSON.stringify(type.toUpperCase())} in HEALTHCHECK (try CMD)`);
  const times = optional({
    interval: duration(source, 'interval'),
    timeout: duration(source, 'timeout'),
    startPeriod: duration(source, 'start-period'),
    startInterval: duration(source, 'start-interval'),
    retries: retries(source),
  });
  if (rest === '') throw fail(source, 'Missing command after HEALTHCHECK CMD');
  return { kind: 'healthcheck', ...source.node, test: commandLine({ ...source, rest }), ...times };
}

function duration(source: InstructionSource, name: string): number | undefined {
  const text = source.flags.text(name);
  if (text === undefined) return undefined;
  const value = readDuration(text);
  if (value === undefined) throw fail(source, `time: invalid duration ${JSON.stringify(text)}`);
  if (value < 0) throw fail(source, `Interval ${JSON.stringify(name)} cannot be negative`);
  if (value > 0 && value < SHORTEST) throw fail(source, `Interval ${JSON.stringify(name)} cannot be less than 1ms`);
  return value;
}

function retries(source: InstructionSource): number | undefined {
  const text = source.flags.text('retries');
  if (text === undefined) return undefined;
  if (!/^-?\d{1,9}$/.test(text))
    throw fail(source, `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  if (Number(text) < 0) throw fail(source, `--retries cannot be negative (${text})`);
  return Number(text);
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function optional<T extends Readonly<Record<string, number | undefined>>>(values: T): Defined<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T>;
}
