/** Pulls an image and shows one line for each step of each layer: `node examples/sdk/pull.ts NAME [TAG]` */
import { createClient } from '@berth/client';

const [name = '', tag = 'latest'] = process.argv.slice(2);

await using client = await createClient();
for await (const { id, status, progressDetail, error } of client.images.pull(name, { tag })) {
  if (error !== undefined) throw new Error(error);
  const { current, total } = progressDetail ?? {};
  const share = current !== undefined && total ? ` ${Math.round((current / total) * 100)}%` : '';
  console.log(`${id === undefined ? '' : `${id}: `}${status ?? ''}${share}`);
}
