/** `algorithm:hex`, e.g. `sha256:` and 64 lower-case hex digits. Made only by `parseDigest` and the hashing functions. */
export type Digest = string & { readonly __digest: unique symbol };
