import { deadline, messageOf, SingleFlight, sleep } from '@berth/base';
import type { ListedVolume, VolumeDriver, VolumeRecord } from '../volume-driver.ts';
import type { VolumePlugins } from './volume-plugins.ts';

const LIST_MS = 2000;
/** What lists nothing of its age has dockerd's zero time. */
const UNKNOWN_TIME = new Date('0001-01-01T00:00:00Z');

export interface PluginVolumes {
  readonly volumes: readonly VolumeRecord[];
  /** Of plugins that did not say what they have. */
  readonly warnings: readonly string[];
}

/** Asks all plugins at once; one that takes longer than two seconds is a warning. */
export function createPluginLister(plugins: VolumePlugins): () => Promise<PluginVolumes> {
  const asking = new SingleFlight<readonly VolumeRecord[]>();
  const ask = (name: string): Promise<readonly VolumeRecord[]> =>
    asking.do(name, async () => {
      const driver = await plugins.get(name);
      return ((await driver.listFound?.()) ?? []).map((found) => recordOf(driver, found));
    });
  return async () => {
    const active = new Set(plugins.active());
    const names = [...new Set([...active, ...plugins.found()])];
    const answers = await Promise.allSettled(names.map((name) => within(LIST_MS, name, ask(name))));
    return {
      volumes: answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : [])),
      warnings: answers.flatMap((answer, index) =>
        answer.status === 'rejected' && active.has(names[index] ?? '') ? [messageOf(answer.reason)] : [],
      ),
    };
  };
}

const recordOf = ({ name, scope }: VolumeDriver, found: ListedVolume): VolumeRecord => ({
  name: found.name,
  driver: name,
  mountpoint: found.mountpoint,
  ...(scope === undefined ? {} : { scope }),
  createdAt: found.createdAt ?? UNKNOWN_TIME,
  labels: {},
  options: {},
  anonymous: false,
});

async function within<T>(ms: number, name: string, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = sleep(ms, { signal: done.signal }).then(() => {
    throw deadline(`list ${name}: the plugin did not answer within ${ms / 1000} seconds`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    done.abort();
  }
}
