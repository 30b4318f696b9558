import { test } from 'node:test';
import { TarParser } from '@berth/archive';
import { EngineError } from '@berth/base';
import { parseDockerfile, parseDockerignore } from '@berth/dockerfile';
import { decodeBody, decodeFilters, decodeRegistryAuth, FrameDecoder, OPERATIONS } from '@berth/engine-api';
import { decodeImageConfig, decodeManifest, parsePlatform, parseReference } from '@berth/oci';
import { makeTar, randomMembers } from '@berth/testkit';
import { parseBind } from '@berth/volumes';
import fc from 'fast-check';

/** How many inputs a parser gets; more by hand. */
const RUNS = Number(process.env['BERTH_FUZZ_RUNS'] ?? 4000);
const REFUSALS = ['invalid', 'tooLarge', 'dataLoss', 'notImplemented'];

/** A parser of hostile text may take it or refuse it in one of the kinds for that; anything else is a bug. */
function refusesAtMost(parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    if (!(error instanceof EngineError) || !REFUSALS.includes(error.kind)) throw error;
  }
}

const fuzz = <T>(title: string, input: fc.Arbitrary<T>, parse: (value: T) => unknown): void => {
  test(title, () =>
    fc.assert(
      fc.property(input, (value) => refusesAtMost(() => parse(value))),
      { numRuns: RUNS },
    ),
  );
};

/** Valid input with some bytes changed, cut or put in: gets further into a parser than noise does. */
const mutated = (seeds: readonly Uint8Array[]): fc.Arbitrary<Buffer> =>
  fc
    .tuple(
      fc.constantFrom(...seeds),
      fc.array(
        fc.tuple(fc.nat(), fc.constantFrom('set', 'cut', 'add'), fc.uint8Array({ minLength: 1, maxLength: 8 })),
        {
          minLength: 1,
          maxLength: 6,
        },
      ),
    )
    .map(([seed, changes]) => changes.reduce(applyChange, Buffer.from(seed)));

function applyChange(bytes: Buffer, [where, how, value]: [number, string, Uint8Array]): Buffer {
  const at = bytes.length === 0 ? 0 : where % bytes.length;
  if (how === 'cut') return bytes.subarray(0, at);
  const rest = bytes.subarray(how === 'set' ? Math.min(bytes.length, at + value.length) : at);
  return Buffer.concat([bytes.subarray(0, at), value, rest]);
}

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const digest = `sha256:${'a'.repeat(64)}`;
const descriptor = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: 3 };
const manifest = json({ schemaVersion: 2, config: descriptor, layers: [descriptor] });
const index = json({
  schemaVersion: 2,
  manifests: [{ ...descriptor, platform: { os: 'linux', architecture: 'amd64' } }],
});
const config = json({
  os: 'linux',
  architecture: 'amd64',
  rootfs: { type: 'layers', diff_ids: [digest] },
  config: { Env: ['A=b'] },
});
const dockerfile = Buffer.from(
  '# syntax=x\nARG A=1\nFROM --platform=$BUILDPLATFORM a AS b\nRUN <<EOF\necho $A\nEOF\nCOPY --from=b --chown=1:2 ["x", "y"]\nENV A="b ${C:-d}" E=f\nHEALTHCHECK --interval=1s CMD x\n',
);
const tar = makeTar(randomMembers(7, 6));

fuzz('manifests and indexes', mutated([manifest, index]), (bytes) => decodeManifest(bytes));
fuzz('image configurations', mutated([config]), (bytes) => decodeImageConfig(bytes));
fuzz('Dockerfiles', mutated([dockerfile]), (bytes) => parseDockerfile(bytes.toString('utf8'), { file: 'Dockerfile' }));
fuzz('Dockerfiles of nothing but noise', fc.string({ maxLength: 2000 }), (text) =>
  parseDockerfile(text, { file: 'Dockerfile' }),
);
fuzz('.dockerignore', fc.string({ maxLength: 500 }), (text) => parseDockerignore(text));
fuzz('references', fc.string({ maxLength: 300 }), (text) => parseReference(text));
fuzz('platforms', fc.string({ maxLength: 100 }), (text) => parsePlatform(text));
fuzz('bind specifications', fc.string({ maxLength: 200 }), (text) => parseBind(text));
fuzz('filters', fc.json(), (text) => decodeFilters(text));
fuzz('credentials', fc.base64String(), (text) => decodeRegistryAuth(text));
fuzz('bodies of create', fc.json(), (text) => decodeBody(OPERATIONS.ContainerCreate.body, JSON.parse(text)));
fuzz('tar archives, in pieces', fc.tuple(mutated([tar]), fc.integer({ min: 1, max: 700 })), ([bytes, piece]) => {
  const handler = { entry: () => undefined, data: () => undefined, end: () => undefined };
  const parser = new TarParser(handler, { maxEntries: 100, maxBytes: 1 << 20 });
  for (let at = 0; at < bytes.length; at += piece) parser.push(bytes.subarray(at, at + piece));
  parser.finish();
});
fuzz('multiplexed streams', fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), (chunks) => {
  const decoder = new FrameDecoder(() => undefined);
  for (const chunk of chunks) decoder.write(Buffer.from(chunk));
  decoder.end();
});
