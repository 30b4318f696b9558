import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../harness/index.ts';
import { berthOnly } from './engines.ts';

const CLIENTS = 100;
const LINES = 250_000;
const MAX_GROWTH_KB = 160 * 1024;

/** What an attached client has received, taken out of its frames as it comes. */
class Received {
  readonly #out = createHash('sha256');
  #rest: Buffer = Buffer.alloc(0);
  #hash: string | undefined;
  stdout = 0;
  stderr = '';
  ended = false;

  take(data: Buffer): void {
    let at = 0;
    const bytes = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    while (at + 8 <= bytes.length) {
      const end = at + 8 + bytes.readUInt32BE(at + 4);
      if (end > bytes.length) break;
      this.#frame(bytes[at], bytes.subarray(at + 8, end));
      at = end;
    }
    this.#rest = Buffer.from(bytes.subarray(at));
  }

  #frame(kind: number | undefined, data: Buffer): void {
    if (kind === 2) this.stderr += data.toString();
    else {
      this.stdout += data.length;
      this.#out.update(data);
    }
  }

  /** Hash of standard output, once there is no more to come. */
  get hash(): string {
    this.#hash ??= this.#out.digest('hex');
    return this.#hash;
  }
}

class Client {
  readonly received = new Received();
  readonly socket: Socket;
  isAnswered = false;

  constructor(path: string, name: string) {
    this.socket = connect({ path, allowHalfOpen: true });
    this.socket.on('error', () => undefined);
    let head = Buffer.alloc(0);
    this.socket.on('data', (chunk: Buffer) => {
      if (this.isAnswered) return this.received.take(chunk);
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      assert.match(head.toString(), /^HTTP\/1.1 101 /);
      this.isAnswered = true;
      this.received.take(head.subarray(end + 4));
    });
    this.socket.on('end', () => {
      this.received.ended = true;
    });
    this.socket.write(
      `POST /containers/${name}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n`,
    );
  }

  async answered(): Promise<this> {
    await eventually('the attach request is answered', async () => this.isAnswered, 20_000);
    return this;
  }
}

const residentKb = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

const parentOf = (pid: number): number =>
  Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

/** Resolves when a quarter of a second brought nobody anything, and something came before. */
async function standstill(clients: readonly Client[]): Promise<void> {
  let last = 0;
  const isStill = async (): Promise<boolean> => {
    const before = last;
    await sleep(250);
    last = clients.reduce((sum, { received }) => sum + received.stdout, 0);
    return last > 0 && last === before;
  };
  await eventually('nothing more comes while one does not read', isStill, 30_000);
}

berthOnly('many attached clients', (under) => {
  test(`${CLIENTS} clients, one of which does not read and leaves: the others get every byte and the end, in bounded memory`, async (t) => {
    const { berth } = under;
    const line = `read x; seq ${LINES}; echo the end >&2; read y`;
    await berth.ok(['run', '-d', '-i', '--name', 'many', '--network', 'none', 'busybox', 'sh', '-c', line]);
    const whole = Array.from({ length: LINES }, (_, n) => `${n + 1}\n`).join('');
    const hash = createHash('sha256').update(whole).digest('hex');
    const before = residentKb(berth.pid);
    const all: Client[] = [];
    try {
      // All at once: more than the monitor's backlog holds.
      for (let n = 0; n < CLIENTS; n++) all.push(new Client(berth.socket, 'many'));
      const [slow, ...others] = await Promise.all(all.map((client) => client.answered()));
      const [first] = others;
      assert.ok(slow && first);
      slow.socket.pause();
      first.socket.write('go\n');
      // As with dockerd, what is buffered for the slow one bounds how far the container gets ahead of it.
      await standstill(others);
      const grown = residentKb(berth.pid) - before;
      t.diagnostic(
        `${Math.round(grown / 1024)} MiB more, with ${first.received.stdout} bytes through of ${whole.length}`,
      );
      assert.ok(grown < MAX_GROWTH_KB, `the daemon grew by ${grown} kB`);
      assert.equal((await berth.api('GET', '/_ping')).status, 200);
      slow.socket.destroy();
      const isWhole = ({ received }: Client): boolean =>
        received.stdout === whole.length && received.stderr === 'the end\n';
      await eventually('everybody else has all', async () => others.every(isWhole), 40_000).catch((error: unknown) => {
        const short = others.filter((client) => !isWhole(client)).map(({ received }) => received.stdout);
        throw new Error(`${short.length} lack something, they have ${short.join(' ')}`, { cause: error });
      });
      first.socket.write('end\n');
      await eventually('they hear the end', async () => others.every(({ received }) => received.ended), 20_000);
      assert.deepEqual(new Set(others.map(({ received }) => received.hash)), new Set([hash]));
    } finally {
      for (const { socket } of all) socket.destroy();
      await berth.docker(['rm', '-f', 'many']);
    }
  });

  test('who has been answered misses nothing, however late the monitor listens to it', async () => {
    const { berth } = under;
    const line = 'trap "echo first" USR1; trap "echo second" USR2; while :; do sleep 0.1; done';
    await berth.ok(['run', '-d', '-i', '--name', 'late', '--network', 'none', 'busybox', 'sh', '-c', line]);
    const pid = Number(await berth.ok(['inspect', '-f', '{{.State.Pid}}', 'late']));
    const monitor = parentOf(pid);
    assert.match(readFileSync(`/proc/${monitor}/comm`, 'utf8'), /conmon/);
    const clients: Client[] = [];
    try {
      process.kill(monitor, 'SIGSTOP');
      for (let n = 0; n < 6; n++) clients.push(new Client(berth.socket, 'late'));
      await sleep(500);
      const early = clients.filter(({ isAnswered }) => isAnswered);
      process.kill(pid, 'SIGUSR1');
      await sleep(300);
      process.kill(monitor, 'SIGCONT');
      await Promise.all(clients.map((client) => client.answered()));
      process.kill(pid, 'SIGUSR2');
      const bytes = ({ received }: Client): number => received.stdout;
      await eventually('all hear the second', async () => clients.every((c) => bytes(c) >= 7), 20_000);
      await eventually('the early ones hear both', async () => early.every((c) => bytes(c) === 13), 5000);
    } finally {
      process.kill(monitor, 'SIGCONT');
      for (const { socket } of clients) socket.destroy();
      await berth.docker(['rm', '-f', 'late']);
    }
  });
});
