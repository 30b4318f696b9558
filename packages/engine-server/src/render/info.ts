import { atLeast, type SystemInfo } from '@berth/engine-api';

type Info = Pick<
  SystemInfo,
  'RegistryConfig' | 'SecurityOptions' | 'ContainerdCommit' | 'RuncCommit' | 'InitCommit' | 'FirewallBackend'
>;

/** The description of the system in the words of an API version: without what came later, with what went. */
export function infoAt(version: string, info: Info): object {
  return {
    ...info,
    ...(atLeast(version, '1.50') ? {} : { BridgeNfIptables: false, BridgeNfIp6tables: false }),
    ...(atLeast(version, '1.49') ? {} : before149(info)),
    ...(atLeast(version, '1.47') ? {} : before147(info)),
    ...(atLeast(version, '1.25') ? {} : { SecurityOptions: info.SecurityOptions.map(nameOnly) }),
  };
}

const before149 = ({ ContainerdCommit, RuncCommit, InitCommit }: Info): object => {
  const expected = ({ ID }: SystemInfo['RuncCommit']): object => ({ ID, Expected: ID });
  return {
    FirewallBackend: undefined,
    ContainerdCommit: expected(ContainerdCommit),
    RuncCommit: expected(RuncCommit),
    InitCommit: expected(InitCommit),
  };
};

const before147 = ({ RegistryConfig }: Info): object => ({
  RegistryConfig: {
    ...RegistryConfig,
    AllowNondistributableArtifactsCIDRs: null,
    AllowNondistributableArtifactsHostnames: null,
  },
});

const nameOnly = (option: string): string => /^name=([^,]*)/.exec(option)?.[1] ?? option;
