import { EngineError, isKind } from '@berth/base';
import { type CommandOptions, runCommand } from './command.ts';

type NftOptions = Pick<CommandOptions, 'signal' | 'netns' | 'timeoutMs'>;

const run = async (args: readonly string[], options: NftOptions, stdin?: string): Promise<string> => {
  try {
    const { stdout } = await runCommand('nft', args, { ...options, ...(stdin === undefined ? {} : { stdin }) });
    return stdout;
  } catch (error) {
    if (!(error instanceof EngineError) || !isKind(error, 'internal')) throw error;
    const { stderr } = error.details;
    const text = typeof stderr === 'string' ? stderr.trim() : '';
    const kind = /File exists/.test(text) ? 'conflict' : /No such file/.test(text) ? 'notFound' : 'internal';
    throw new EngineError(kind, `nft: ${text}`, { cause: error, details: error.details });
  }
};

/** Applies an nft script as one transaction: all of it or nothing. Throws `conflict`, `notFound`, `internal`. */
export async function nftApply(script: string, options: NftOptions = {}): Promise<void> {
  await run(['-f', '-'], options, `${script}\n`);
}

/** `nft -j list <what>`: the objects of the ruleset, e.g. `nftList(['table', 'inet', 'berth0'])`. */
export async function nftList(
  what: readonly string[],
  options: NftOptions = {},
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const parsed = JSON.parse(await run(['-j', 'list', ...what], options)) as { nftables?: Record<string, unknown>[] };
  return (parsed.nftables ?? []).filter((object) => !('metainfo' in object));
}

/** Family and name of every table. */
export async function nftTables(
  options: NftOptions = {},
): Promise<readonly { readonly family: string; readonly name: string }[]> {
  const objects = await nftList(['tables'], options);
  return objects.flatMap((object) => {
    const table = object['table'] as { family: string; name: string } | undefined;
    return table === undefined ? [] : [{ family: table.family, name: table.name }];
  });
}
