import { operation } from '../operation.ts';
import { anything, filters, obj, opt, str } from '../schema.ts';
import { Type } from '../type.ts';

export const PluginList = operation('PluginList', {
  query: obj({ filters: filters() }),
  response: Type.Array(anything),
});
export const PluginPrivileges = operation('PluginPrivileges', { query: obj({ remote: opt(str) }) });
export const PluginPull = operation('PluginPull', { query: obj({ remote: opt(str), name: opt(str) }) });
export const PluginCreate = operation('PluginCreate', { query: obj({ name: opt(str) }) });
export const PluginInspect = operation('PluginInspect', {});
export const PluginAction = operation('PluginAction', {});
export const PluginDelete = operation('PluginDelete', {});
