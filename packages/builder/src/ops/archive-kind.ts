const MAGIC: readonly (readonly number[])[] = [
  [0x1f, 0x8b], // gzip
  [0x42, 0x5a, 0x68], // bzip2
  [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], // xz
  [0x28, 0xb5, 0x2f, 0xfd], // zstd
];

/** Bytes `looksLikeArchive` wants to see. */
export const HEAD_BYTES = 512;

/** True for a tar or for a stream compressed in a way that ADD unpacks. */
export function looksCompressed(head: Uint8Array): boolean {
  return MAGIC.some((magic) => magic.every((byte, at) => head[at] === byte));
}

export function looksLikeTar(head: Uint8Array): boolean {
  return head.length >= 512 && Buffer.from(head.buffer, head.byteOffset + 257, 5).toString('latin1') === 'ustar';
}
