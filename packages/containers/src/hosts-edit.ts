/** A hosts file that somebody may have written into, brought from what we wrote last to what we would write now. */
export function followHosts(current: string, before: string, after: string): string {
  if (current === before) return after;
  const [old, wanted] = [linesOf(before), linesOf(after)];
  const kept = linesOf(current).filter((line) => wanted.includes(line) || !old.includes(line));
  const added = wanted.filter((line) => !old.includes(line) && !kept.includes(line));
  return join([...kept, ...added]);
}

/** A hosts file in which names that `wanted` knows by another address have that one. */
export function renewAddresses(current: string, wanted: string): string {
  const addresses = new Map<string, Set<string>>();
  for (const [address, names] of linesOf(wanted).map(split))
    addresses.set(names, (addresses.get(names) ?? new Set()).add(address));
  const lines = linesOf(current).map((line) => {
    const [address, names] = split(line);
    const known = addresses.get(names);
    if (known === undefined || known.has(address)) return line;
    return `${[...known][0]}\t${names}`;
  });
  const named = new Set(lines.map((line) => split(line)[1]));
  const missing = linesOf(wanted).filter((line) => !named.has(split(line)[1]));
  return join([...lines, ...missing]);
}

const linesOf = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');
const join = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

function split(line: string): readonly [address: string, names: string] {
  const at = line.indexOf('\t');
  return [line.slice(0, at), line.slice(at + 1)];
}
