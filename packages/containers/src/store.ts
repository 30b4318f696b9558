import { conflict, invalid, notFound } from '@berth/base';
import type { State } from '@berth/state';
import { Container } from './container.ts';
import { type ContainerRecord, type ContainerState, INITIAL_STATE } from './types.ts';

/**
 * All containers, in memory and in the database. Memory is a cache: every change goes through `save*`, which writes
 * first, so a killed daemon finds on its next start what clients had been told.
 */
export class ContainerStore {
  readonly #state: State;
  readonly #byId = new Map<string, Container>();
  readonly #byName = new Map<string, Container>();

  constructor(state: State) {
    this.#state = state;
    for (const row of state.all<{ config: string; state: string }>(
      'SELECT config, state FROM containers ORDER BY created_at',
    )) {
      const container = new Container(decodeRecord(row.config), decodeState(row.state));
      this.#byId.set(container.id, container);
      this.#byName.set(container.name, container);
    }
  }

  list(): readonly Container[] {
    return [...this.#byId.values()];
  }

  /** Finds by full ID, name (with or without slash), then unique ID prefix. */
  find(nameOrId: string): Container | undefined {
    const name = nameOrId.startsWith('/') ? nameOrId.slice(1) : nameOrId;
    const exact = this.#byId.get(nameOrId) ?? this.#byName.get(name);
    if (exact || !/^[0-9a-f]{1,64}$/.test(nameOrId)) return exact;
    const matches = this.list().filter((c) => c.id.startsWith(nameOrId));
    if (matches.length > 1) throw invalid(`multiple IDs found with provided prefix: ${nameOrId}`);
    return matches[0];
  }

  get(nameOrId: string): Container {
    const container = nameOrId === '' ? undefined : this.find(nameOrId);
    if (!container) throw notFound(`No such container: ${nameOrId}`);
    return container;
  }

  /** The container counts as being made until its state says otherwise. */
  insert(record: ContainerRecord): Container {
    const state = { ...INITIAL_STATE, making: true };
    const container = new Container(record, state);
    this.assertNameFree(record.name);
    this.#state.run(
      'INSERT INTO containers (id, name, created_at, config, state) VALUES (?, ?, ?, ?, ?)',
      record.id,
      record.name,
      record.createdAt.getTime(),
      JSON.stringify(record),
      JSON.stringify(state),
    );
    this.#byId.set(record.id, container);
    this.#byName.set(record.name, container);
    return container;
  }

  assertNameFree(name: string): void {
    const holder = this.#byName.get(name);
    if (holder)
      throw conflict(
        `Conflict. The container name "/${name}" is already in use by container "${holder.id}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
  }

  setState(container: Container, change: Partial<ContainerState>): void {
    const next = { ...container.state, ...change };
    this.#state.run('UPDATE containers SET state = ? WHERE id = ?', JSON.stringify(next), container.id);
    container.state = next;
  }

  setRecord(container: Container, change: Partial<ContainerRecord>): void {
    const next = { ...container.record, ...change };
    this.#state.run(
      'UPDATE containers SET name = ?, config = ? WHERE id = ?',
      next.name,
      JSON.stringify(next),
      container.id,
    );
    this.#byName.delete(container.name);
    container.record = next;
    this.#byName.set(next.name, container);
  }

  delete(container: Container): void {
    this.#state.run('DELETE FROM containers WHERE id = ?', container.id);
    this.#byId.delete(container.id);
    if (this.#byName.get(container.name) === container) this.#byName.delete(container.name);
  }
}

function decodeRecord(text: string): ContainerRecord {
  const record = JSON.parse(text) as Omit<ContainerRecord, 'createdAt'> & { readonly createdAt: string };
  return { ...record, createdAt: new Date(record.createdAt) };
}

const DATE_FIELDS = new Set(['startedAt', 'finishedAt', 'start', 'end']);

function decodeState(text: string): ContainerState {
  return JSON.parse(text, (key, value: unknown) =>
    DATE_FIELDS.has(key) && typeof value === 'string' ? new Date(value) : value,
  ) as ContainerState;
}
