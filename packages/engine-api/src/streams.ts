/** Stream framing alone, for clients. */
export * from './stream/frames.ts';
export * from './stream/json-lines.ts';
