import { randomInt } from 'node:crypto';
import { runOk } from './command.ts';

/**
 * Two numbers of 10.0.0.0/8, `10.150`, that no address or route of this machine has: tests that run at the same time,
 * other daemons among them, share nothing then.
 */
export async function freeBlock(): Promise<string> {
  const taken =
    (await runOk('ip', ['-4', 'route', 'show', 'table', 'all'])) + (await runOk('ip', ['-4', '-o', 'addr']));
  for (;;) {
    const block = `10.${128 + randomInt(80)}`;
    if (!taken.includes(` ${block}.`) && !taken.startsWith(`${block}.`) && !taken.includes(`\n${block}.`)) return block;
  }
}
