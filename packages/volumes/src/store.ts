import type { State } from '@berth/state';
import type { VolumeRecord } from './volume-driver.ts';

interface Doc {
  readonly doc: string;
}

/**
 * A volume whose removal began is no longer there for anybody; the mark lets the next start finish it. One that is being
 * filled with an image's content is not whole before that mark is gone.
 */
export type StoredVolume = VolumeRecord & { readonly removing?: boolean; readonly filling?: boolean };

export class VolumeStore {
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  get(name: string): StoredVolume | undefined {
    const row = this.#state.get<Doc>('SELECT doc FROM volumes WHERE name = ?', name);
    return row && parse(row);
  }

  list(): readonly StoredVolume[] {
    return this.#state.all<Doc>('SELECT doc FROM volumes ORDER BY name').map(parse);
  }

  put(volume: StoredVolume): void {
    this.#state.run(
      'INSERT INTO volumes VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET doc = excluded.doc',
      volume.name,
      volume.driver,
      volume.createdAt.getTime(),
      JSON.stringify(volume),
    );
  }

  delete(name: string): void {
    this.#state.transaction(() => {
      this.#state.run('DELETE FROM volume_users WHERE name = ?', name);
      this.#state.run('DELETE FROM volumes WHERE name = ?', name);
    });
  }

  users(name: string): readonly string[] {
    return this.#state
      .all<{ container_id: string }>('SELECT container_id FROM volume_users WHERE name = ? ORDER BY container_id', name)
      .map((row) => row.container_id);
  }

  addUser(name: string, containerId: string): void {
    this.#state.run('INSERT OR IGNORE INTO volume_users VALUES (?, ?)', name, containerId);
  }

  removeUser(name: string, containerId: string): void {
    this.#state.run('DELETE FROM volume_users WHERE name = ? AND container_id = ?', name, containerId);
  }

  /** Marks for removal unless somebody uses it; returns the users. One transaction, so that nobody comes in between. */
  beginRemoval(volume: VolumeRecord): readonly string[] {
    return this.#state.transaction(() => {
      const users = this.users(volume.name);
      if (users.length === 0) this.put({ ...volume, removing: true });
      return users;
    });
  }
}

function parse({ doc }: Doc): StoredVolume {
  const raw = JSON.parse(doc) as StoredVolume;
  return { ...raw, createdAt: new Date(raw.createdAt) };
}
