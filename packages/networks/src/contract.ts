import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { randomId } from '@berth/base';
import type { EndpointRecord, NetworkDriver, NetworkRecord } from './network-driver.ts';

export interface DriverUnderTest extends AsyncDisposable {
  readonly driver: NetworkDriver;
  /** Options and subnets a network of this driver needs. */
  readonly network?: Partial<NetworkRecord>;
  /** An existing namespace; drivers that touch none ignore it. */
  readonly netns?: string;
  readonly endpoint?: Partial<EndpointRecord>;
}

/** What every network driver does, from records alone and repeatedly. */
export function networkDriverContract(name: string, make: () => Promise<DriverUnderTest>): void {
  const records = (made: DriverUnderTest): { readonly network: NetworkRecord; readonly endpoint: EndpointRecord } => {
    const network: NetworkRecord = {
      id: randomId(),
      name: 'contract',
      driver: made.driver.name,
      createdAt: new Date(),
      internal: false,
      attachable: false,
      enableIPv4: true,
      enableIPv6: false,
      options: {},
      labels: {},
      ipam: [],
      predefined: false,
      ...made.network,
    };
    const endpoint: EndpointRecord = {
      id: randomId(),
      networkId: network.id,
      containerId: randomId(),
      macAddress: '02:42:0a:00:00:02',
      interfaceName: 'eth0',
      aliases: [],
      dnsNames: [],
      published: [],
      ...made.endpoint,
    };
    return { network, endpoint };
  };

  describe(`network driver ${name}`, () => {
    it('creates a network again without harm, and removes it again', async () => {
      await using made = await make();
      const { network } = records(made);
      await made.driver.create(network);
      await made.driver.create(network);
      await made.driver.remove(network);
      await made.driver.remove(network);
    });

    it('attaches, routes, and detaches an endpoint, the last again without harm', async () => {
      await using made = await make();
      const { network, endpoint } = records(made);
      await made.driver.create(network);
      await made.driver.attach(network, made.netns ?? '/nonexistent', endpoint, { defaultRoutes: [4, 6] });
      await made.driver.route(network, made.netns ?? '/nonexistent', endpoint);
      await made.driver.detach(network, endpoint, made.netns);
      await made.driver.detach(network, endpoint, made.netns);
      await made.driver.attach(network, made.netns ?? '/nonexistent', endpoint);
      await made.driver.detach(network, endpoint, made.netns);
      await made.driver.remove(network);
    });

    it('says whether its networks have addresses', async () => {
      await using made = await make();
      assert.equal(typeof made.driver.hasAddresses, 'boolean');
    });
  });
}
