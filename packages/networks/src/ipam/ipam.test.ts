import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openState } from '@berth/state';
import fc from 'fast-check';
import type { NetworkRecord } from '../network-driver.ts';
import { AddressAllocator } from './allocator.ts';
import { type Cidr, contains, formatCidr, formatIp, overlaps, parseCidr, parseIp, tryParseCidr } from './cidr.ts';
import { macFor, parseMac } from './mac.ts';
import { chooseSubnet, DEFAULT_POOLS, validatePools } from './pools.ts';

const network = (subnet: string, more: object = {}): NetworkRecord => ({
  id: 'n1',
  name: 'net',
  driver: 'bridge',
  createdAt: new Date(0),
  internal: false,
  attachable: false,
  enableIPv4: true,
  enableIPv6: false,
  options: {},
  labels: {},
  predefined: false,
  ipam: [{ subnet, gateway: formatIp({ family: 4, value: parseCidr(subnet).base + 1n }), ...more }],
});

describe('addresses', () => {
  it('survive a round trip', () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => assert.equal(formatIp(parseIp(text) ?? { family: 4, value: -1n }), text)),
    );
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (value) =>
        assert.deepEqual(parseIp(formatIp({ family: 6, value })), { family: 6, value }),
      ),
    );
    assert.equal(formatCidr(parseCidr('10.1.2.3/8')), '10.0.0.0/8');
  });
  it('that are none are refused', () => {
    for (const bad of [
      '',
      '1.2.3',
      '256.1.1.1',
      '010.0.0.1.1',
      'a',
      '1.2.3.4/33',
      '1.2.3.4/',
      'fe80::1%eth0/64',
      '1.2.3.4/8/8',
    ])
      assert.equal(tryParseCidr(bad.includes('/') ? bad : `${bad}/8`), undefined, bad);
  });
  it('make link addresses', () => {
    assert.equal(macFor('172.17.0.2/16'), '02:42:ac:11:00:02');
    assert.match(macFor(undefined), /^02(:[0-9a-f]{2}){5}$/);
    assert.throws(() => parseMac('02:42'), { message: 'invalid MAC address: 02:42' });
  });
});

describe('chooseSubnet', () => {
  it('gives docker networks in its order, then none', () => {
    const taken: Cidr[] = [];
    for (let i = 0; i < 31; i++) taken.push(chooseSubnet(DEFAULT_POOLS, taken, 4));
    assert.deepEqual(
      taken.slice(0, 5).map(formatCidr),
      [17, 18, 19, 20, 21].map((n) => `172.${n}.0.0/16`),
    );
    assert.equal(formatCidr(taken[15] ?? parseCidr('0.0.0.0/0')), '192.168.0.0/20');
    assert.throws(() => chooseSubnet(DEFAULT_POOLS, taken, 4), {
      kind: 'invalid',
      message: 'all predefined address pools have been fully subnetted',
    });
  });
  it('never overlaps what is taken', () => {
    const block = fc
      .tuple(fc.ipV4(), fc.integer({ min: 8, max: 32 }))
      .map(([ip, prefix]) => parseCidr(`${ip}/${prefix}`));
    fc.assert(
      fc.property(fc.array(block, { maxLength: 30 }), (taken) => {
        const chosen = chooseSubnet([...DEFAULT_POOLS, { base: '0.0.0.0/0', size: 28 }], taken, 4);
        assert.ok(!taken.some((other) => overlaps(chosen, other)));
      }),
    );
  });
  it('passes over a large taken block at once', () => {
    const pools = [{ base: 'fd00::/8', size: 64 }];
    assert.equal(formatCidr(chooseSubnet(pools, [parseCidr('fd00::/9')], 6)), 'fd80::/64');
  });
  it('refuses pools that cannot be cut', () => {
    assert.throws(() => validatePools([{ base: '10.0.0.0/16', size: 8 }]), { kind: 'invalid' });
  });
});

describe('AddressAllocator', () => {
  it('gives every address once, round robin, never the gateway, and says when none is left', () => {
    using state = openState(':memory:');
    const allocator = new AddressAllocator(state);
    const net = network('10.0.0.0/29', { auxAddresses: { printer: '10.0.0.4' } });
    allocator.reserve(net.id, net.ipam);
    const given = ['a', 'b', 'c', 'd'].map((owner) => allocator.allocate(net, 4, owner));
    assert.deepEqual(given, ['10.0.0.2/29', '10.0.0.3/29', '10.0.0.5/29', '10.0.0.6/29']);
    assert.throws(() => allocator.allocate(net, 4, 'e'), { kind: 'exhausted' });
    allocator.release('c');
    allocator.release('a');
    assert.equal(allocator.allocate(net, 4, 'e'), '10.0.0.2/29');
    assert.equal(allocator.allocate(net, 4, 'f'), '10.0.0.5/29');
    assert.throws(() => allocator.claim(net, '10.0.0.4', 'g'), { message: 'Address already in use' });
    assert.equal(allocator.allocate(net, 6, 'g'), undefined);
  });
  it('stays in its range whatever comes and goes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 })), (steps) => {
        using state = openState(':memory:');
        const allocator = new AddressAllocator(state);
        const net = network('10.0.0.0/24', { ipRange: '10.0.0.128/28' });
        allocator.reserve(net.id, net.ipam);
        const held = new Map<string, string>();
        for (const step of steps) {
          const owner = `o${step}`;
          if (held.delete(owner)) allocator.release(owner);
          else {
            const address = allocator.allocate(net, 4, owner)?.split('/')[0] ?? '';
            assert.ok(contains(parseCidr('10.0.0.128/28'), parseIp(address) ?? { family: 4, value: 0n }));
            assert.ok(![...held.values()].includes(address));
            held.set(owner, address);
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});
