import { type Logger, notFound, SingleFlight, silentLogger, wrap } from '@berth/base';
import type { VolumeDriver } from '../volume-driver.ts';
import { PluginClient } from './plugin-client.ts';
import { findPlugin, PLUGIN_DIRECTORIES, type PluginDirectories, scanPlugins } from './plugin-directories.ts';
import { activate, createPluginDriver } from './plugin-driver.ts';

export interface VolumePlugins {
  /**
   * The driver of that name; it is looked for and spoken to at its first use only, as dockerd does. Throws `notFound`
   * (`error looking up volume plugin x: plugin "x" not found`), or what the plugin's handshake failed of.
   */
  get(name: string): Promise<VolumeDriver>;
  /** Plugins used so far. */
  active(): readonly string[];
  /** Plugins that can be found; whether they are for volumes shows when they are used. */
  found(): readonly string[];
}

export interface VolumePluginsOptions {
  readonly directories?: PluginDirectories;
  readonly logger?: Logger;
  /** See `PluginClientOptions`. */
  readonly patienceMs?: number | undefined;
}

export function createVolumePlugins(options: VolumePluginsOptions = {}): VolumePlugins {
  const { directories = PLUGIN_DIRECTORIES, logger = silentLogger, patienceMs } = options;
  const active = new Map<string, VolumeDriver>();
  const opening = new SingleFlight<VolumeDriver>();

  const open = async (name: string): Promise<VolumeDriver> => {
    try {
      const address = findPlugin(name, directories);
      if (address === undefined) throw notFound(`plugin "${name}" not found`);
      const client = new PluginClient({ name, address, logger, patienceMs });
      try {
        await activate(client);
        const driver = await createPluginDriver(name, client);
        active.set(name, driver);
        return driver;
      } catch (error) {
        throw wrap('legacy plugin', error);
      }
    } catch (error) {
      throw wrap(`error looking up volume plugin ${name}`, error);
    }
  };

  return {
    get: async (name) => active.get(name) ?? (await opening.do(name, () => open(name))),
    active: () => [...active.keys()],
    found: () => scanPlugins(directories),
  };
}
