import { notFound, notImplemented } from '@berth/base';
import { handle, type RouteFactory } from '../route.ts';

/*
 * Managed plugins (`docker plugin`) are containers with privileges that come from a registry, and Berth runs none.
 * Plugins that run by themselves are found by their sockets and do not show here with dockerd either.
 */
const refusal = (): Error =>
  notImplemented(
    'managed plugins are not implemented: run the plugin as a process or container of your own that puts its socket into /run/docker/plugins',
  );
const unknown = (name: string): Error => notFound(`plugin "${name}" not found`);

const list = handle('PluginList', async ({ exchange }) => await exchange.reply.json(200, []));
const privileges = handle('PluginPrivileges', async () => await Promise.reject(refusal()));
const pull = handle('PluginPull', async () => await Promise.reject(refusal()));
const create = handle('PluginCreate', async () => await Promise.reject(refusal()));
const inspect = handle('PluginInspect', async ({ params }) => await Promise.reject(unknown(params.name)));
const act = handle('PluginAction', async ({ params }) => await Promise.reject(unknown(params.name)));
const remove = handle('PluginDelete', async ({ params }) => await Promise.reject(unknown(params.name)));

export const PLUGIN_ROUTES: readonly RouteFactory[] = [list, privileges, pull, create, inspect, act, remove];
