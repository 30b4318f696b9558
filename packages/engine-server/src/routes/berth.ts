import { openApiDocument } from '@berth/engine-api';
import { handle, type RouteFactory } from '../route.ts';

const info = handle('BerthInfo', async ({ services, exchange }) => {
  await exchange.reply.json(200, await services.system.berth());
});

const fsck = handle('BerthFsck', async ({ services, exchange, signal }) => {
  await exchange.reply.json(200, await services.system.fsck({ signal, verifyDigests: true }));
});

const gc = handle('BerthGc', async ({ query, services, exchange, signal }) => {
  const images = await services.system.gc({ signal, remove: !query.dryRun });
  await exchange.reply.json(200, {
    images: images.map(({ id, names, usedAt, bytes }) => ({
      id,
      names: [...names],
      usedAt: usedAt.toISOString(),
      bytes,
    })),
    bytes: images.reduce((sum, { bytes }) => sum + bytes, 0),
  });
});

const referrers = handle('BerthReferrers', async ({ params, services, exchange, signal }) => {
  const found = await services.images.referrers(params.name, { signal });
  await exchange.reply.json(
    200,
    found.map(({ subject, descriptor, content, suffix }) => ({
      subject,
      digest: descriptor.digest,
      mediaType: descriptor.mediaType,
      size: descriptor.size,
      ...(descriptor.artifactType === undefined ? {} : { artifactType: descriptor.artifactType }),
      ...(descriptor.annotations === undefined ? {} : { annotations: descriptor.annotations }),
      ...(suffix === undefined ? {} : { suffix }),
      bytes: content,
    })),
  );
});

const openApi = handle('BerthOpenApi', async ({ exchange }) => {
  await exchange.reply.json(200, openApiDocument());
});

export const BERTH_ROUTES: readonly RouteFactory[] = [info, fsck, gc, referrers, openApi];
