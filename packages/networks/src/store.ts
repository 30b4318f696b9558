import type { State } from '@berth/state';
import type { EndpointRecord, NetworkRecord } from './network-driver.ts';
import type { SandboxRecord } from './sandbox/sandbox-record.ts';

interface Doc {
  readonly doc: string;
}

/** Records of networks, endpoints and sandboxes. Networks are few and read often: they are kept in memory as well. */
export class NetworkStore {
  readonly state: State;
  readonly #networks = new Map<string, NetworkRecord>();
  #endpoints:
    | { readonly version: number; readonly byContainer: ReadonlyMap<string, readonly EndpointRecord[]> }
    | undefined;

  constructor(state: State) {
    this.state = state;
    for (const { doc } of state.all<Doc>('SELECT doc FROM networks ORDER BY created_at, id')) {
      const raw = JSON.parse(doc) as NetworkRecord;
      this.#networks.set(raw.id, { ...raw, createdAt: new Date(raw.createdAt) });
    }
  }

  networks(): readonly NetworkRecord[] {
    return [...this.#networks.values()];
  }

  network(id: string): NetworkRecord | undefined {
    return this.#networks.get(id);
  }

  putNetwork(network: NetworkRecord): void {
    this.state.run(
      'INSERT INTO networks VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, doc = excluded.doc',
      network.id,
      network.name,
      network.createdAt.getTime(),
      JSON.stringify(network),
    );
    this.#networks.set(network.id, network);
  }

  deleteNetwork(id: string): void {
    this.state.run('DELETE FROM networks WHERE id = ?', id);
    this.#networks.delete(id);
  }

  endpoints(): readonly EndpointRecord[] {
    return parse(this.state.all<Doc>('SELECT doc FROM endpoints'));
  }

  endpointsOn(networkId: string): readonly EndpointRecord[] {
    return parse(this.state.all<Doc>('SELECT doc FROM endpoints WHERE network_id = ?', networkId));
  }

  /** In the order their interfaces were made. */
  endpointsOf(containerId: string): readonly EndpointRecord[] {
    const found = parse<EndpointRecord>(
      this.state.all<Doc>('SELECT doc FROM endpoints WHERE container_id = ?', containerId),
    );
    return found.toSorted(byInterface);
  }

  /** The same of all containers that have any, read once for as long as nothing changes. */
  endpointsByContainer(): ReadonlyMap<string, readonly EndpointRecord[]> {
    const { version } = this.state;
    if (this.#endpoints?.version !== version) {
      const found = Map.groupBy(this.endpoints(), ({ containerId }) => containerId);
      for (const endpoints of found.values()) endpoints.sort(byInterface);
      this.#endpoints = { version, byContainer: found };
    }
    return this.#endpoints.byContainer;
  }

  putEndpoint(endpoint: EndpointRecord): void {
    this.state.run(
      'INSERT INTO endpoints VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc',
      endpoint.id,
      endpoint.networkId,
      endpoint.containerId,
      JSON.stringify(endpoint),
    );
  }

  deleteEndpoint(id: string): void {
    this.state.run('DELETE FROM endpoints WHERE id = ?', id);
  }

  sandboxes(): readonly SandboxRecord[] {
    return this.state
      .all<{ value: string }>("SELECT value FROM meta WHERE key LIKE 'sandbox:%'")
      .map(({ value }) => JSON.parse(value) as SandboxRecord);
  }

  sandbox(containerId: string): SandboxRecord | undefined {
    const row = this.state.get<{ value: string }>('SELECT value FROM meta WHERE key = ?', `sandbox:${containerId}`);
    return row && (JSON.parse(row.value) as SandboxRecord);
  }

  putSandbox(sandbox: SandboxRecord): void {
    this.state.run(
      'INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
      `sandbox:${sandbox.containerId}`,
      JSON.stringify(sandbox),
    );
  }

  deleteSandbox(containerId: string): void {
    this.state.run('DELETE FROM meta WHERE key = ?', `sandbox:${containerId}`);
  }
}

const byInterface = (a: EndpointRecord, b: EndpointRecord): number =>
  a.interfaceName.localeCompare(b.interfaceName, 'en', { numeric: true });

function parse<T>(rows: readonly Doc[]): readonly T[] {
  return rows.map(({ doc }) => JSON.parse(doc) as T);
}
