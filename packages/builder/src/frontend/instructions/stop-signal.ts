import { constants } from 'node:os';
import { invalid } from '@berth/base';

/** Checks a signal's name or number and gives it back as docker stores it. */
export function readStopSignal(text: string): string {
  const name = text.toUpperCase().replace(/^SIG/, '');
  const known = Object.hasOwn(constants.signals, `SIG${name}`) || /^RTM(?:IN|AX)(?:[+-]\d{1,2})?$/.test(name);
  const number = /^\d{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= 64;
  if (!known && !number) throw invalid(`Invalid signal: ${text}`);
  return text;
}
