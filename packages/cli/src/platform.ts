import { UsageError } from './flags.ts';

/** `linux/arm64/v8` as the JSON that the API takes for a platform. Throws UsageError. */
export function platformJson(text: string): string {
  const parts = text.split('/');
  const wrong = parts.find((part) => !/^[A-Za-z0-9_.-]+$/.test(part));
  if (wrong !== undefined || parts.length > 3)
    throw new UsageError(
      `invalid platform "${text}": it is os/architecture or os/architecture/variant, such as linux/arm64`,
    );
  const [os = '', architecture = '', variant] = parts;
  return JSON.stringify({ os, architecture, ...(variant === undefined ? {} : { variant }) });
}
