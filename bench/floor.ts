import { rmSync } from 'node:fs';
import { request } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { requireTool } from '../tests/harness/tools.ts';
import { time } from './measure.ts';

/**
 * What the docker CLI takes by itself: the same command against a server that does nothing but send an answer which was
 * recorded before. No daemon can be quicker than this.
 */
export interface Floor extends AsyncDisposable {
  /** From now on requests whose method and path (without `/v1.NN`) start with `request` get this answer. */
  answer(request: string, status: string, body: string): void;
  /** Takes the answer from a daemon; its body. */
  record(socketPath: string, path: string): Promise<string>;
  /** Milliseconds of one command. */
  time(...args: readonly string[]): Promise<number>;
}

export async function startFloor(root: string): Promise<Floor> {
  const path = join(root, 'floor.sock');
  rmSync(path, { force: true });
  const answers = new Map<string, Buffer>();
  const find = (request: string): Buffer | undefined => [...answers].find(([start]) => request.startsWith(start))?.[1];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy()));
    serve(socket, find);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const answer: Floor['answer'] = (request, status, body) => {
    const head = `HTTP/1.1 ${status}\r\nApi-Version: 1.51\r\nOstype: linux\r\nContent-Type: application/json`;
    answers.set(request, Buffer.from(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`));
  };
  answer('HEAD /_ping', '200 OK', '');
  return {
    answer,
    async record(socketPath, path) {
      const body = await get(socketPath, path);
      answer(`GET ${path}`, '200 OK', body);
      return body;
    },
    time: (...args) => time([requireTool('docker'), '--config', join(root, 'floor'), '-H', `unix://${path}`, ...args]),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers requests, bodies skipped by their length, on one connection. */
function serve(socket: Socket, find: (request: string) => Buffer | undefined): void {
  let seen = '';
  socket.on('data', (chunk: Buffer) => {
    seen += chunk.toString('latin1');
    for (let end = seen.indexOf('\r\n\r\n'); end >= 0; end = seen.indexOf('\r\n\r\n')) {
      const length = Number(/content-length: (\d+)/i.exec(seen.slice(0, end))?.[1] ?? 0);
      if (seen.length < end + 4 + length) return;
      const found = find(seen.slice(0, seen.indexOf('\r\n')).replace(/ \/v[\d.]+\//, ' /'));
      if (found === undefined) return void socket.destroy();
      socket.write(found);
      seen = seen.slice(end + 4 + length);
    }
  });
}

function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString());
        else reject(new Error(`GET ${path}: ${response.statusCode}`));
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}
