/** So many are remembered; of more, those released longest ago are forgotten. */
const MOST = 4096;

/**
 * Which addresses containers had when they left a network. One that comes back, restarted for instance, has its own
 * again where nobody took it: whoever resolved its name before still reaches it.
 */
export class LastAddresses {
  readonly #byOwner = new Map<string, string>();

  /** `cidr`: as the endpoint has it. */
  remember(containerId: string, networkId: string, cidr: string): void {
    const key = keyOf(containerId, networkId, cidr.includes(':') ? 6 : 4);
    this.#byOwner.delete(key);
    this.#byOwner.set(key, cidr.split('/')[0] ?? cidr);
    const [oldest] = this.#byOwner.keys();
    if (this.#byOwner.size > MOST && oldest !== undefined) this.#byOwner.delete(oldest);
  }

  of(containerId: string, networkId: string, family: 4 | 6): string | undefined {
    return this.#byOwner.get(keyOf(containerId, networkId, family));
  }
}

const keyOf = (containerId: string, networkId: string, family: 4 | 6): string =>
  `${containerId} ${networkId} ${family}`;
