import { invalid, wrap } from '@berth/base';
import { isDigest } from './digest.ts';
import type { ConfigHistory, ImageConfigDocument, ImageRunConfig } from './image-config.ts';
import { asArray, asObject, asString, asStrings, type JsonObject, parseJsonObject } from './json.ts';
import { hostPlatform } from './platform.ts';

/** Largest image configuration read, bytes. */
export const MAX_IMAGE_CONFIG_SIZE = 8 * 1024 * 1024;
const MAX_LIST = 10_000;

const STRINGS = new Set(['User', 'WorkingDir', 'StopSignal']);
const LISTS = new Set(['Env', 'Entrypoint', 'Cmd', 'Shell', 'OnBuild']);
const MAPS = new Set(['ExposedPorts', 'Volumes', 'Labels', 'Healthcheck']);
const NULLABLE = new Set(['Entrypoint', 'Cmd']);

const checkField = (key: string, value: unknown): void => {
  const where = `config.${key}`;
  if (STRINGS.has(key)) asString(value, where);
  if (LISTS.has(key)) asStrings(value, where, MAX_LIST);
  if (!MAPS.has(key)) return;
  const map = asObject(value, where);
  if (key === 'Labels')
    for (const [name, text] of Object.entries(map)) asString(text, `${where}.${name.slice(0, 100)}`);
};

const asRunConfig = (value: unknown): ImageRunConfig => {
  const entries = Object.entries(asObject(value, 'config')).filter(([key, item]) => item !== null || NULLABLE.has(key));
  for (const [key, item] of entries) if (item !== null) checkField(key, item);
  return Object.fromEntries(entries) as ImageRunConfig;
};

const asRootfs = (value: unknown): ImageConfigDocument['rootfs'] => {
  const from = asObject(value, 'rootfs');
  if (from['type'] !== 'layers') throw invalid('rootfs.type is not "layers"');
  const diffIds = asArray(from['diff_ids'] ?? [], 'rootfs.diff_ids', MAX_LIST);
  return {
    type: 'layers',
    diff_ids: diffIds.map((item, index) => {
      if (!isDigest(item)) throw invalid(`rootfs.diff_ids[${index}] is not a valid digest`);
      return item;
    }),
  };
};

const asHistory = (value: unknown): readonly ConfigHistory[] =>
  asArray(value, 'history', MAX_LIST).map((item, index) => asObject(item, `history[${index}]`) as ConfigHistory);

const decode = (from: JsonObject): ImageConfigDocument => {
  const host = hostPlatform();
  const text = (key: string, fallback: string): string => {
    const value = from[key];
    return value === undefined || value === null || value === '' ? fallback : asString(value, key);
  };
  const { config, history, rootfs, ...rest } = Object.fromEntries(
    Object.entries(from).filter(([, value]) => value !== null),
  );
  return {
    ...rest,
    os: text('os', host.os),
    architecture: text('architecture', host.architecture),
    ...(config === undefined ? {} : { config: asRunConfig(config) }),
    rootfs: asRootfs(rootfs),
    ...(history === undefined ? {} : { history: asHistory(history) }),
  };
};

/**
 * Decodes an image configuration from hostile bytes. Null fields are dropped (except `Cmd` and `Entrypoint`), a
 * missing platform is the host's, unknown fields are kept. Throws `invalid` or `tooLarge`.
 */
export function decodeImageConfig(bytes: Uint8Array): ImageConfigDocument {
  try {
    return decode(parseJsonObject(bytes, MAX_IMAGE_CONFIG_SIZE));
  } catch (error) {
    throw wrap('invalid image configuration', error);
  }
}
