import { stat } from 'node:fs/promises';
import { identityOf } from './file-identity.ts';
import { type OpenLog, openAll, openNewer } from './open-log.ts';
import type { TailPosition } from './tail-position.ts';

const BLOCK = 1 << 20;
const LINE_FEED = 0x0a;

/** A place in a log, which stays right when its files are renamed and compressed. */
export interface LogPosition {
  /** The file's identity: inode and time of birth. */
  readonly inode: bigint;
  readonly offset: number;
}

/** Reads a log's files one after the other in blocks of whole lines. Owns the open files. */
export class LogCursor implements AsyncDisposable {
  readonly #path: string;
  /** Still to be read; the first is being read, and stays when it is the last, since it may grow. */
  #logs: OpenLog[];
  #offset: number;
  /** The beginning of a line whose end is not written yet. */
  #rest: Buffer = Buffer.alloc(0);

  private constructor(path: string, logs: OpenLog[], offset: number) {
    this.#path = path;
    this.#logs = logs;
    this.#offset = offset;
  }

  static async open(path: string, begin: (logs: readonly OpenLog[]) => Promise<TailPosition>): Promise<LogCursor> {
    const logs = await openAll(path);
    const cursor = new LogCursor(path, logs, 0);
    try {
      const { file, offset } = await begin(logs);
      for (const skipped of logs.splice(0, file)) await skipped[Symbol.asyncDispose]();
      cursor.#offset = offset;
      return cursor;
    } catch (error) {
      await cursor[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** After what `next` returned last. */
  get position(): LogPosition | undefined {
    const log = this.#logs[0];
    return log && { inode: log.identity, offset: this.#offset - this.#rest.length };
  }

  /** Whole lines; undefined at the end of the newest file. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const block = await this.#read();
      if (block !== undefined) return block;
      if (this.#logs.length < 2) return undefined;
      await this.#logs.shift()?.[Symbol.asyncDispose]();
      this.#offset = 0;
      this.#rest = Buffer.alloc(0);
    }
  }

  /** Looks for files begun since. Whatever the file before got is written by then and is read first. */
  async advance(): Promise<boolean> {
    const last = this.#logs.at(-1);
    const current = await stat(this.#path, { bigint: true }).catch(() => undefined);
    if (current === undefined || identityOf(current) === last?.identity) return false;
    const newer = await openNewer(this.#path, last?.identity ?? -1n);
    this.#logs.push(...newer);
    return newer.length > 0;
  }

  async #read(): Promise<Buffer | undefined> {
    const log = this.#logs[0];
    if (log === undefined) return undefined;
    for (;;) {
      const kept = this.#rest.length;
      const buffer = Buffer.allocUnsafe(kept + BLOCK);
      buffer.set(this.#rest);
      const bytesRead = await log.read(buffer, kept, BLOCK, this.#offset);
      if (bytesRead === 0) return undefined;
      this.#offset += bytesRead;
      const filled = kept + bytesRead;
      const end = buffer.subarray(0, filled).lastIndexOf(LINE_FEED) + 1;
      this.#rest = Buffer.from(buffer.subarray(end, filled));
      if (end > 0) return buffer.subarray(0, end);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const log of this.#logs.splice(0)) await log[Symbol.asyncDispose]();
  }
}
