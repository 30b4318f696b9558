import { resolve } from 'node:path';
import { UsageError } from '../flags.ts';

export interface Volumes {
  readonly binds: readonly string[];
  readonly anonymous: readonly string[];
}

/** `-v SOURCE:TARGET[:OPTIONS]` and `-v TARGET`. A relative source is a path of this machine. Throws UsageError. */
export function parseVolumes(texts: readonly string[]): Volumes {
  const binds: string[] = [];
  const anonymous: string[] = [];
  for (const text of texts) {
    if (text === '') throw new UsageError('invalid empty volume spec');
    const [source = '', ...rest] = text.split(':');
    if (rest.length === 0) {
      anonymous.push(text);
      continue;
    }
    if (source === '' || rest[0] === '') throw new UsageError(`invalid spec: ${text}: empty section between colons`);
    binds.push([/^\.{1,2}(\/|$)/.test(source) ? resolve(source) : source, ...rest].join(':'));
  }
  return { binds, anonymous };
}
