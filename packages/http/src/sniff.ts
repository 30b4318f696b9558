import type { Socket } from 'node:net';

/** Stands in the Upgrade header of requests whose client sent none. */
export const LEGACY_PROTOCOL = 'x-berth-raw';

const HEAD_LIMIT = 16 * 1024;
const HEAD_MS = 10_000;
const END = Buffer.from('\r\n\r\n');

/** Tells from method and path whether a request's connection is to become a raw stream. */
export type IsHijack = (method: string, target: string) => boolean;

const rewriteHead = (head: Buffer, end: number, isHijack: IsHijack): Buffer => {
  const text = head.toString('latin1', 0, end);
  const lineEnd = text.indexOf('\r\n');
  const [method = '', target = ''] = text.slice(0, lineEnd < 0 ? end : lineEnd).split(' ');
  if (/\r\nupgrade[ \t]*:/i.test(text) || !isHijack(method, target)) return head;
  const kept = text.replace(/\r\nconnection[ \t]*:[^\r\n]*/gi, '');
  const rewritten = `${kept}\r\nConnection: Upgrade\r\nUpgrade: ${LEGACY_PROTOCOL}`;
  return Buffer.concat([Buffer.from(rewritten, 'latin1'), head.subarray(end)]);
};

/**
 * Looks at a new connection's first request before node's parser does. Old clients ask for a raw stream without an
 * Upgrade header and may send standard input in the same packet, which the parser would take for a second request;
 * such a request gets an Upgrade header put in, so that there is one way to take a connection over.
 */
export function sniffConnection(socket: Socket, isHijack: IsHijack, accept: (socket: Socket) => void): void {
  let seen: Buffer = Buffer.alloc(0);
  const handOver = (bytes: Buffer): void => {
    clearTimeout(timer);
    socket.off('data', onData).off('close', onGone).off('end', onGone).off('error', onGone);
    socket.pause();
    if (bytes.byteLength > 0) socket.unshift(bytes);
    accept(socket);
    process.nextTick(() => socket.resume());
  };
  const onGone = (): void => {
    clearTimeout(timer);
    socket.destroy();
  };
  const onData = (chunk: Buffer): void => {
    seen = seen.byteLength === 0 ? chunk : Buffer.concat([seen, chunk]);
    const end = seen.indexOf(END);
    const complete = end >= 0 && end <= HEAD_LIMIT;
    const maybe = seen.subarray(0, 5).equals(Buffer.from('POST ').subarray(0, Math.min(5, seen.byteLength)));
    if (complete) handOver(rewriteHead(seen, end, isHijack));
    else if (!maybe || seen.byteLength > HEAD_LIMIT) handOver(seen);
  };
  const timer = setTimeout(onGone, HEAD_MS);
  timer.unref();
  socket.on('data', onData).on('close', onGone).on('end', onGone).on('error', onGone);
}
