import { invalid } from '@berth/base';

const MAX_PORT = 65_535;
const MAX_PORTS = 65_535;

/** `80`, `80/udp`, `8000-8010`: the image's `ExposedPorts` keys. A host part before a colon is not kept. */
export function exposedPorts(words: readonly string[]): readonly string[] {
  const ports = words.flatMap((word) => {
    const match = /^(?:.*:)?(\d{1,5})(?:-(\d{1,5}))?(?:\/([a-z]+))?$/i.exec(word);
    const protocol = match?.[3]?.toLowerCase() ?? 'tcp';
    const first = Number(match?.[1]);
    const last = match?.[2] === undefined ? first : Number(match[2]);
    if (!match || first > MAX_PORT || last > MAX_PORT || last < first) throw invalid(`invalid containerPort: ${word}`);
    if (!['tcp', 'udp', 'sctp'].includes(protocol)) throw invalid(`invalid proto: ${protocol}`);
    return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol}`);
  });
  if (ports.length > MAX_PORTS) throw invalid('too many ports are exposed');
  return [...new Set(ports)];
}
