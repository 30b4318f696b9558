import { randomBytes } from 'node:crypto';

/** A new object ID: 64 lower-case hex digits, as Docker's; never all digits in its first 12, so it cannot be read as a number. */
export function randomId(): string {
  for (;;) {
    const id = randomBytes(32).toString('hex');
    if (/[a-f]/.test(id.slice(0, 12))) return id;
  }
}

/** The 12-digit form users see. */
export function shortId(id: string): string {
  const hex = id.startsWith('sha256:') ? id.slice(7) : id;
  return hex.slice(0, 12);
}
