/** Builds an image from one file that never touches the disk: `node examples/sdk/build.ts TAG [BASE]` */
import { Readable } from 'node:stream';
import { createClient } from '@berth/client';

const [tag = 'sdk-example', base = 'busybox'] = process.argv.slice(2);
const dockerfile = `FROM ${base}\nRUN echo built from memory > /built\nCMD ["cat", "/built"]\n`;

await using client = await createClient();
let id = '';
for await (const { stream, aux, error } of client.images.build(Readable.from(tar('Dockerfile', dockerfile)), {
  t: [tag],
})) {
  if (error !== undefined) throw new Error(error);
  if (stream !== undefined) process.stdout.write(stream);
  if (typeof aux === 'object' && aux !== null && 'ID' in aux) id = String(aux.ID);
}
console.log(`image ${id}`);

/** The smallest tar archive: one file. */
function* tar(name: string, content: string): Generator<Buffer> {
  const body = Buffer.from(content);
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        0', 148);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((all, byte) => all + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  yield header;
  yield Buffer.concat([body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
  yield Buffer.alloc(1024);
}
