import type { Version } from '@berth/engine-api';
import { MAX_API_VERSION } from '@berth/engine-api/light';
import { CLI_VERSION } from '../cli-version.ts';
import { command as define } from '../command.ts';
import { describe } from '../failure.ts';
import { text } from '../flags.ts';

export const command = define({
  usage: '[OPTIONS]',
  summary: 'Show the version of client and daemon',
  flags: { format: text('f', "Format output: 'json', or a template") },
  args: [0, 0],
  async run({ context, flags: { format } }) {
    let server: Version | null = null;
    let failure: unknown;
    let api = MAX_API_VERSION;
    try {
      const client = await context.client();
      api = await client.version();
      server = await client.call('SystemVersion');
    } catch (error) {
      failure = error;
    }
    const client = {
      Version: CLI_VERSION,
      ApiVersion: api,
      DefaultAPIVersion: MAX_API_VERSION,
      NodeVersion: process.version,
      Os: process.platform,
      Arch: process.arch === 'x64' ? 'amd64' : process.arch,
    };
    if (format === undefined) context.print(textOf(client, server));
    else if (format === 'json') context.print(JSON.stringify({ Client: client, Server: server }));
    else {
      const { compileTemplate } = await import('../template/evaluate.ts');
      // A template that needs the daemon must say why it is not there rather than that a field is missing.
      if (server === null && format.includes('.Server')) throw failure;
      context.print(compileTemplate(format)({ Client: named(client), Server: server === null ? null : named(server) }));
    }
    if (failure === undefined) return 0;
    context.warn(describe(failure));
    return 1;
  },
});

/** Templates of docker say APIVersion where the wire says ApiVersion. */
const named = <T extends { readonly ApiVersion?: string | undefined }>(version: T) => ({
  ...version,
  APIVersion: version.ApiVersion,
});

const rows = (indent: string, pairs: readonly (readonly [string, unknown])[]): readonly string[] =>
  pairs
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${indent}${`${name}:`.padEnd(20 - indent.length)}${String(value)}`);

function textOf(client: Readonly<Record<string, string>>, server: Version | null): string {
  const lines = [
    'Client: Berth',
    ...rows(' ', [
      ['Version', client['Version']],
      ['API version', client['ApiVersion']],
      ['Node version', client['NodeVersion']],
      ['OS/Arch', `${client['Os']}/${client['Arch']}`],
    ]),
  ];
  if (server === null) return lines.join('\n');
  lines.push('', `Server: ${server.Platform?.Name ?? ''}`.trimEnd());
  const components = server.Components?.length
    ? server.Components
    : [{ Name: 'Engine', Version: server.Version, Details: null }];
  for (const { Name, Version: version, Details } of components) {
    const details = Name === 'Engine' ? engineRows(server) : Object.entries(Details ?? {});
    lines.push(` ${Name}:`, ...rows('  ', [['Version', version], ...details]));
  }
  return lines.join('\n');
}

const engineRows = (server: Version): readonly (readonly [string, unknown])[] => [
  ['API version', `${server.ApiVersion} (minimum version ${server.MinAPIVersion})`],
  ['Git commit', server.GitCommit],
  ['Built', server.BuildTime],
  ['OS/Arch', `${server.Os}/${server.Arch}`],
  ['Kernel version', server.KernelVersion],
];
