/** RLIM_INFINITY, which a JavaScript number cannot hold. */
const UNLIMITED = '18446744073709551615';

/** Not yet in TypeScript's library. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

const infinite = (key: string, value: unknown): unknown =>
  (key === 'soft' || key === 'hard') && value === Number.MAX_SAFE_INTEGER ? rawJSON(UNLIMITED) : value;

/** A runtime-spec document or part of one as JSON; resource limits of `Number.MAX_SAFE_INTEGER` become unlimited. */
export function encodeSpec(spec: unknown): string {
  return JSON.stringify(spec, infinite);
}
