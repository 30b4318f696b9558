import { connect } from 'node:net';

export interface RawAnswer {
  readonly head: string;
  readonly body: Buffer;
}

/** A POST that takes the connection over, byte by byte, as very old and new clients do it; half-closes after `send`. */
export function rawUpgrade(
  socketPath: string,
  path: string,
  options: { readonly body?: string; readonly upgrade: boolean; readonly send?: string | Buffer },
): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const socket = connect({ path: socketPath, allowHalfOpen: true });
  const body = options.body ?? '';
  const upgrade = options.upgrade ? 'Connection: Upgrade\r\nUpgrade: tcp\r\n' : '';
  const chunks: Buffer[] = [];
  let sent = false;
  socket.setTimeout(20_000, () => socket.destroy(new Error(`no end of ${path}`)));
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    if (sent) return;
    sent = true;
    // Clients send input only once they have seen the head.
    if (options.send === undefined) return;
    socket.end(options.send);
  });
  socket.on('error', reject);
  socket.on('end', () => {
    socket.end();
    const whole = Buffer.concat(chunks);
    const at = whole.indexOf('\r\n\r\n');
    resolve({ head: whole.subarray(0, at + 2).toString(), body: whole.subarray(at + 4) });
  });
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: docker\r\n${upgrade}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  return promise;
}

/** Takes docker's stream frames apart. Throws when they are broken. */
export function demultiplex(data: Buffer): { readonly stdout: string; readonly stderr: string } {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  for (let at = 0; at < data.length; ) {
    const kind = data[at];
    const length = data.readUInt32BE(at + 4);
    if ((kind !== 1 && kind !== 2) || at + 8 + length > data.length) throw new Error(`broken frame at ${at}`);
    (kind === 1 ? out : err).push(data.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return { stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}
