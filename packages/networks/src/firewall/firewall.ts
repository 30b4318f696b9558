import { isKind } from '@berth/base';
import type { HostTools } from '../host-tools.ts';
import { type Element, elementsScript, tableScript, withoutValue } from './ruleset.ts';

/** The instance's nft table. Other tables are never looked at nor touched. */
export interface Firewall {
  /** Replaces the whole table, in one transaction, by one with exactly these elements. */
  rebuild(elements: readonly Element[]): Promise<void>;
  add(elements: readonly Element[]): Promise<void>;
  /** Tries to remove all, also when some are gone. */
  remove(elements: readonly Element[]): Promise<void>;
  /** Whether somebody took the table, or rules of it, away. Cheap where nobody changed any ruleset since the last call. */
  isDamaged(): boolean;
  destroy(): Promise<void>;
}

type Kernel = Pick<HostTools, 'nft' | 'ruleset'>;

/** `all`: what the records say the table holds, for a table that is gone when something is to be added. */
export function createFirewall(host: Kernel, table: string, all: () => readonly Element[] = () => []): Firewall {
  let seen: number | undefined;
  let whole: ReadonlyMap<string, number> | undefined;
  const rebuild = async (elements: readonly Element[]): Promise<void> => {
    await host.nft(tableScript(table, elements));
    seen = undefined;
    whole = host.ruleset?.chains(table);
  };
  return {
    rebuild,
    async add(elements) {
      if (elements.length === 0) return;
      const script = elementsScript(table, 'add', elements);
      try {
        await host.nft(script);
      } catch (error) {
        if (!isKind(error, 'notFound')) throw error;
        await rebuild(all());
        await host.nft(script);
      }
    },
    async remove(elements) {
      if (elements.length === 0) return;
      const keys = elements.map(withoutValue);
      try {
        await host.nft(elementsScript(table, 'delete', keys));
      } catch {
        for (const key of keys) await host.nft(elementsScript(table, 'delete', [key])).catch(() => undefined);
      }
    },
    isDamaged() {
      if (!host.ruleset || !whole) return false;
      const generation = host.ruleset.generation();
      if (generation === seen) return false;
      const chains = host.ruleset.chains(table);
      const damaged = [...whole].some(([chain, rules]) => chains.get(chain) !== rules);
      if (!damaged) seen = generation;
      return damaged;
    },
    async destroy() {
      whole = undefined;
      await host.nft(`add table inet ${table}\ndelete table inet ${table}\n`);
    },
  };
}

/** For `--iptables=false`: the administrator filters and translates. */
export function createNoFirewall(): Firewall {
  const nothing = (): Promise<void> => Promise.resolve();
  return { rebuild: nothing, add: nothing, remove: nothing, destroy: nothing, isDamaged: () => false };
}
