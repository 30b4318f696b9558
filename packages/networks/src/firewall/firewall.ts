import type { HostTools } from '../host-tools.ts';
import { type Element, elementsScript, tableScript, withoutValue } from './ruleset.ts';

/** The instance's nft table. Other tables are never looked at nor touched. */
export interface Firewall {
  /** Replaces the whole table, in one transaction, by one with exactly these elements. */
  rebuild(elements: readonly Element[]): Promise<void>;
  add(elements: readonly Element[]): Promise<void>;
  /** Tries to remove all, also when some are gone. */
  remove(elements: readonly Element[]): Promise<void>;
  destroy(): Promise<void>;
}

export function createFirewall(host: Pick<HostTools, 'nft'>, table: string): Firewall {
  return {
    rebuild: (elements) => host.nft(tableScript(table, elements)),
    async add(elements) {
      if (elements.length > 0) await host.nft(elementsScript(table, 'add', elements));
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
    destroy: () => host.nft(`add table inet ${table}\ndelete table inet ${table}\n`),
  };
}

/** For `--iptables=false`: the administrator filters and translates. */
export function createNoFirewall(): Firewall {
  const nothing = (): Promise<void> => Promise.resolve();
  return { rebuild: nothing, add: nothing, remove: nothing, destroy: nothing };
}
