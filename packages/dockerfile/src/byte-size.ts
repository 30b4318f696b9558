const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** `64m`, `1g`, `1024`: bytes; undefined when it is no size. */
export function readByteSize(text: string): number | undefined {
  const match = /^(\d{1,12})([kmgt]?)(?:i?b)?$/i.exec(text);
  const factor = UNITS[match?.[2]?.toLowerCase() ?? ''];
  return match && factor !== undefined ? Number(match[1]) * factor : undefined;
}
