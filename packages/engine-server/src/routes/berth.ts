import { openApiDocument } from '@berth/engine-api';
import { handle, type RouteFactory } from '../route.ts';

const info = handle('BerthInfo', async ({ services, exchange }) => {
  await exchange.reply.json(200, await services.system.berth());
});

const fsck = handle('BerthFsck', async ({ services, exchange, signal }) => {
  await exchange.reply.json(200, await services.system.fsck({ signal, verifyDigests: true }));
});

const openApi = handle('BerthOpenApi', async ({ exchange }) => {
  await exchange.reply.json(200, openApiDocument());
});

export const BERTH_ROUTES: readonly RouteFactory[] = [info, fsck, openApi];
