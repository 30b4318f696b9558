import { createHash, type Hash } from 'node:crypto';
import { dataLoss, invalid } from '@berth/base';

/** `algorithm:hex`, e.g. `sha256:` and 64 lower-case hex digits. Made only by `parseDigest` and the hashing functions. */
export type Digest = string & { readonly __digest: unique symbol };

export const DIGEST_ALGORITHMS = ['sha256', 'sha512'] as const;
export type DigestAlgorithm = (typeof DIGEST_ALGORITHMS)[number];

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };
const SHAPE = /^[A-Za-z0-9]+(?:[+._-][A-Za-z0-9]+)*:[A-Za-z0-9=_-]+$/;

const isAlgorithm = (name: string): name is DigestAlgorithm => name === 'sha256' || name === 'sha512';

/** Why `text` is no digest, in the words of the Go digest library; undefined when it is one. */
const problem = (text: string): string | undefined => {
  if (text.length > 512 || !SHAPE.test(text)) return 'invalid checksum digest format';
  const [algorithm = '', hex = ''] = text.split(':');
  if (!isAlgorithm(algorithm)) return 'unsupported digest algorithm';
  if (hex.length !== HEX_LENGTH[algorithm]) return 'invalid checksum digest length';
  return /^[0-9a-f]+$/.test(hex) ? undefined : 'invalid checksum digest format';
};

export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && problem(text) === undefined;
}

/** Throws `invalid` unless `text` is a sha256 or sha512 digest in lower case. */
export function parseDigest(text: string): Digest {
  const why = problem(text);
  if (why !== undefined) throw invalid(why, { details: { digest: text.slice(0, 200) } });
  return text as Digest;
}

export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

/** The part after the colon. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** Digest of bytes in memory (a string is taken as UTF-8). */
export function digestOf(bytes: Uint8Array | string, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}

/** Hashes a stream piece by piece and counts its bytes. */
export interface Digester {
  /** Bytes so far. */
  readonly size: number;
  update(chunk: Uint8Array): void;
  /** Digest of everything so far; more may follow. */
  digest(): Digest;
}

export function createDigester(algorithm: DigestAlgorithm = 'sha256'): Digester {
  const hash: Hash = createHash(algorithm);
  let size = 0;
  return {
    get size() {
      return size;
    },
    update(chunk) {
      hash.update(chunk);
      size += chunk.byteLength;
    },
    digest: () => `${algorithm}:${hash.copy().digest('hex')}` as Digest,
  };
}

/** Throws `dataLoss` unless the bytes have this size and digest. */
export function verifyBytes(bytes: Uint8Array, expected: { readonly digest: Digest; readonly size: number }): void {
  if (bytes.byteLength !== expected.size)
    throw dataLoss(`${expected.digest} has ${bytes.byteLength} bytes where ${expected.size} were promised`);
  const actual = digestOf(bytes, digestAlgorithm(expected.digest));
  if (actual !== expected.digest) throw dataLoss(`content has digest ${actual}, expected ${expected.digest}`);
}
