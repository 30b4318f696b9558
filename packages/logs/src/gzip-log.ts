import type { FileHandle } from 'node:fs/promises';
import { type Member, type MemberIndex, readMember } from './gzip-members.ts';

/** Reads a compressed log at any place as if it were not; holds one member's contents. */
export class GzipLog {
  readonly #handle: FileHandle;
  readonly #index: MemberIndex;
  #held: { readonly member: Member; readonly data: Buffer } | undefined;

  constructor(handle: FileHandle, index: MemberIndex) {
    this.#handle = handle;
    this.#index = index;
  }

  get size(): number {
    return this.#index.size;
  }

  /** As much as there is, up to `length`. Throws `dataLoss`. */
  async read(buffer: Buffer, at: number, length: number, position: number): Promise<number> {
    let done = 0;
    while (done < length) {
      const place = position + done;
      const member = this.#index.members.find(({ rawAt, raw }) => rawAt <= place && place < rawAt + raw);
      if (member === undefined) break;
      const data = await this.#contents(member);
      done += data.copy(buffer, at + done, place - member.rawAt, place - member.rawAt + length - done);
    }
    return done;
  }

  async #contents(member: Member): Promise<Buffer> {
    if (this.#held?.member !== member) this.#held = { member, data: await readMember(this.#handle, member) };
    return this.#held.data;
  }
}
