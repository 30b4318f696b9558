import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { basename, dirname } from 'node:path';
import { type CallOptions, conflict, EngineError, sleep, throwIfAborted, wrap } from '@berth/base';
import { libc } from './libc.ts';
import { askUnixSocket } from './netlink.ts';
import { AF, MAX_UNIX_PATH, unixAddress } from './socket-address.ts';
import { check, checkPath, ERRNO, SyscallError } from './syscall-error.ts';

/*
 * Node has no seqpacket sockets, but libuv's stream handles only ever poll, read(2), write(2) and shutdown(2) their
 * descriptor, which on a seqpacket socket moves exactly one packet a call. Handing Node such a descriptor fails, since
 * it looks at the socket's type first. So Node is given one end of an ordinary stream pair, by its public API, and
 * dup3(2) puts the seqpacket socket in that descriptor's place before the event loop has looked at it.
 */

const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
const SOCK_FLAGS = 0o2004000; // non-blocking, close on exec
const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;

/** Largest packet {@link SeqPacketConnection.write} sends; longer data is split. */
export const MAX_WRITE_PACKET = 8192;
/** Largest packet that is read whole. */
const MAX_READ_PACKET = 65536;
/** Bytes received and not yet consumed at which reading stops until they are. */
const HIGH_WATER = 1 << 20;
const UDIAG_SHOW_PEER = 4;
const UNIX_DIAG_PEER = 2;
const UNIX_DIAG_SHUTDOWN = 6;
/** The kernel reports a reset once; more would be somebody else's doing. */
const MAX_RESETS = 3;

export interface SeqPacketConnection extends AsyncDisposable {
  /** Whole packets in order, until the peer closes. Reading ahead is bounded. One consumer; ends when closed. */
  readonly packets: AsyncIterable<Buffer>;
  /**
   * Whether the server has accepted the connection. `connect` succeeds before that, while it waits in the backlog, and
   * what a server sends to all its clients it does not send there. Also true once the server has hung up, and always
   * where the kernel can not tell (no `unix_diag`).
   */
  isAccepted(): boolean;
  /** Resolves when the kernel has taken all of it. Writes are sent in the order of the calls. */
  write(data: Uint8Array): Promise<void>;
  /** Half-close, after what was written: the peer reads end-of-file, its packets still arrive. */
  end(): Promise<void>;
  /** Closes at once; pending reads end. */
  close(): void;
}

const withShortPath = <T>(path: string, work: (path: string) => T): T => {
  if (Buffer.byteLength(checkPath(path)) <= MAX_UNIX_PATH) return work(path);
  const dir = openSync(dirname(path), O_PATH | constants.O_DIRECTORY);
  try {
    return work(`/proc/self/fd/${dir}/${basename(path)}`);
  } finally {
    closeSync(dir);
  }
};

const tryConnect = (path: string): number => {
  const fd = check(libc().socket(AF.unix, SOCK_SEQPACKET | SOCK_FLAGS, 0), 'socket');
  try {
    withShortPath(path, (short) => check(libc().connect(fd, unixAddress(short), 110), 'connect', path));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
};

/** A full backlog gives EAGAIN on a non-blocking unix socket, and there is nothing to poll for. */
const connectPatiently = async (path: string, options: CallOptions): Promise<number> => {
  for (let wait = 1; ; wait = Math.min(2 * wait, 50)) {
    throwIfAborted(options.signal);
    try {
      return tryConnect(path);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.errno !== ERRNO.EAGAIN || wait > 1e6) throw error;
    }
    await sleep(wait, options);
  }
};

const isAccepted = (fd: number): boolean => {
  try {
    const found = askUnixSocket(fstatSync(fd).ino, UDIAG_SHOW_PEER);
    // A server's end has no inode of its own until it is accepted.
    const inode = found.get(UNIX_DIAG_PEER);
    return inode === undefined || inode.some((byte) => byte !== 0) || found.get(UNIX_DIAG_SHUTDOWN)?.[0] !== 0;
  } catch (error) {
    if (error instanceof SyscallError) return true;
    throw error;
  }
};

type OnRead = (size: number, buffer: Uint8Array) => boolean;

/** Makes a Node socket over a connected seqpacket descriptor, which stays the caller's: for reading, or for writing. */
const adopt = (fd: number, onRead?: OnRead): Socket => {
  const pair = new Int32Array(2);
  check(libc().socketpair(AF.unix, SOCK_STREAM | SOCK_FLAGS, 0, pair), 'socketpair');
  const [kept = -1, other = -1] = pair;
  try {
    const reads = onRead !== undefined;
    const onread = reads && { onread: { buffer: Buffer.allocUnsafeSlow(MAX_READ_PACKET), callback: onRead } };
    const socket = new Socket({ fd: kept, readable: reads, writable: !reads, allowHalfOpen: true, ...onread } as never);
    check(libc().dup3(fd, kept, O_CLOEXEC), 'dup3');
    return socket;
  } finally {
    closeSync(other);
  }
};

/**
 * Reading and writing have a Node socket each: a peer that takes no more input may still have much to say, and Node
 * gives a whole socket up at the first failed write.
 */
class Connection implements SeqPacketConnection {
  readonly #fd: number;
  readonly #writer: Socket;
  #reader: Socket;
  readonly #queue: Buffer[] = [];
  #head = 0;
  #queued = 0;
  #paused = false;
  #ended = false;
  #closed = false;
  #resets = 0;
  /** Whether the reader that reads now has received something. */
  #received = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(fd: number) {
    this.#fd = fd;
    this.#writer = adopt(fd).on('error', () => undefined);
    this.#reader = this.#startReading();
  }

  #startReading(): Socket {
    this.#received = false;
    const reader = adopt(this.#fd, (size, buffer) => this.#receive(size, buffer));
    reader.on('end', () => this.#readToEnd());
    reader.on('error', (error) => this.#readFailed(error));
    reader.resume();
    return reader;
  }

  /**
   * libuv before 1.52 (Node 24) takes a packet shorter than its buffer for the last one once the peer has closed. So the
   * end is what a reader finds that finds nothing else.
   */
  #readToEnd(): void {
    if (this.#closed || !this.#received) this.#finish();
    else this.#reader = this.#startReading();
  }

  /** A peer that closed with our packets unread resets the connection; what it sent before is still to be read. */
  #readFailed(error: Error): void {
    if (!this.#closed && isHangUp(error) && this.#resets++ < MAX_RESETS) {
      this.#reader = this.#startReading();
      return;
    }
    this.#error ??= error;
    this.#finish();
  }

  #receive(size: number, buffer: Uint8Array): boolean {
    this.#received = true;
    this.#queue.push(Buffer.from(buffer.subarray(0, size)));
    this.#queued += size;
    this.#paused = this.#queued >= HIGH_WATER;
    this.#wake?.();
    return !this.#paused;
  }

  #finish(): void {
    this.#ended = true;
    this.#wake?.();
  }

  #take(): Buffer | undefined {
    const packet = this.#queue[this.#head];
    if (packet === undefined) return undefined;
    this.#head++;
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0;
      this.#head = 0;
    }
    this.#queued -= packet.length;
    if (this.#paused && this.#queued < HIGH_WATER / 2) {
      this.#paused = false;
      this.#reader.resume();
    }
    return packet;
  }

  get packets(): AsyncIterable<Buffer> {
    return this.#read();
  }

  async *#read(): AsyncGenerator<Buffer> {
    for (;;) {
      const packet = this.#take();
      if (packet !== undefined) yield packet;
      else if (this.#ended) break;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
    if (this.#error !== undefined && !isHangUp(this.#error)) throw wrap('seqpacket socket', this.#error);
  }

  isAccepted(): boolean {
    return this.#closed || isAccepted(this.#fd);
  }

  write(data: Uint8Array): Promise<void> {
    const sent = this.#lastWrite.then(() => this.#writeAll(data));
    this.#lastWrite = sent.catch(() => undefined);
    return sent;
  }

  async #writeAll(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; at += MAX_WRITE_PACKET)
      await this.#writePacket(data.subarray(at, at + MAX_WRITE_PACKET));
  }

  /** One write at a time: libuv joins waiting ones into a single, then too long, packet. */
  #writePacket(packet: Uint8Array): Promise<void> {
    if (this.#writer.destroyed || this.#writer.writableEnded) throw conflict('the connection is closed');
    return new Promise((resolve, reject) => {
      this.#writer.write(packet, (error) =>
        error ? reject(new EngineError('unavailable', `write: ${error.message}`, { cause: error })) : resolve(),
      );
    });
  }

  async end(): Promise<void> {
    await this.#lastWrite;
    if (this.#writer.destroyed) return;
    await new Promise<void>((resolve) => {
      this.#writer.once('close', resolve);
      this.#writer.end(resolve);
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reader.destroy();
    this.#writer.destroy();
    closeSync(this.#fd);
    this.#finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const open = [this.#reader, this.#writer].filter((socket) => !socket.closed);
    const closed = open.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    this.close();
    await Promise.all(closed);
  }
}

const isHangUp = (error: Error): boolean => {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ECONNRESET' || code === 'EPIPE';
};

/**
 * Connects to a listening AF_UNIX SOCK_SEQPACKET socket; `path` may be of any length.
 * Throws {@link SyscallError}: `ENOENT` (notFound), `ECONNREFUSED` (unavailable: nobody listens).
 */
export async function connectSeqpacket(path: string, options: CallOptions = {}): Promise<SeqPacketConnection> {
  const fd = await connectPatiently(path, options);
  try {
    return new Connection(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
