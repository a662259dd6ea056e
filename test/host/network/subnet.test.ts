import test from 'ava';
import { describeInterfaces, isPhysical, type SystemInterfaces } from '../../../src/host/network/interfaces.ts';
import { isLinkLocal6, isOnLink, isPrivate4, neighbourAddresses } from '../../../src/host/network/subnet.ts';

const mac = 'AA:BB:CC:00:00:01';
const ipv4 = (address: string, bits: number) => ({ address, netmask: '', family: 'IPv4' as const, mac, internal: false, cidr: `${address}/${bits}` });
const ipv6 = (address: string, bits: number) => ({ address, netmask: '', family: 'IPv6' as const, mac, internal: false, cidr: `${address}/${bits}`, scopeid: 2 });
const system: SystemInterfaces = {
  lo: [{ ...ipv4('127.0.0.1', 8), internal: true }],
  eth0: [ipv4('192.168.1.9', 24), ipv6('fe80::9', 64), ipv6('fd00:1::9', 64)],
  wg0: [ipv4('10.9.0.2', 32)],
};

test('interfaces: without the loopback, and without networks of one address', (t) => {
  t.deepEqual(describeInterfaces(system), [
    {
      name: 'eth0',
      mac: 'aa:bb:cc:00:00:01',
      networks: [
        { address: '192.168.1.9', prefixLength: 24, family: 4 },
        { address: 'fe80::9', prefixLength: 64, family: 6 },
        { address: 'fd00:1::9', prefixLength: 64, family: 6 },
      ],
    },
  ]);
});

test('on the link or not', (t) => {
  const eth0 = describeInterfaces(system)[0]!;
  for (const address of ['192.168.1.1', '192.168.1.254', 'fe80::1', 'fe80::1%eth0', 'FE80::1', 'fd00:1::77']) t.true(isOnLink(eth0, address), address);
  for (const address of ['192.168.2.1', '10.0.0.1', '8.8.8.8', '2001:db8::1', 'fd00:2::1', '', 'raspberrypi.local', '192.168.1', '::ffff:8.8.8.8']) {
    t.false(isOnLink(eth0, address), address);
  }
});

test('the addresses of a network', (t) => {
  const of = (address: string, prefixLength: number) => neighbourAddresses({ address, prefixLength, family: 4 });
  t.deepEqual(of('10.0.0.2', 29), ['10.0.0.1', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']);
  t.deepEqual(of('10.0.0.1', 31), ['10.0.0.0']);
  const wide = of('172.16.255.4', 22);
  t.is(wide.length, 2 ** 10 - 3);
  t.is(wide[0], '172.16.252.1');
  t.is(wide.at(-1), '172.16.255.254');
  t.is(of('200.1.2.3', 24).at(-1), '200.1.2.254'); // beyond 2^31
});

test('kinds of addresses', (t) => {
  for (const address of ['10.1.1.1', '172.16.0.1', '172.31.9.9', '192.168.0.1', '100.64.0.1', '169.254.3.4']) t.true(isPrivate4(address), address);
  for (const address of ['172.32.0.1', '100.128.0.1', '11.0.0.1', '198.19.0.1', '9.9.9.9']) t.false(isPrivate4(address), address);
  for (const address of ['fe80::1', 'febf::1']) t.true(isLinkLocal6(address), address);
  for (const address of ['fec0::1', 'fd00::1', '2001:db8::1']) t.false(isLinkLocal6(address), address);
});

test('interfaces of containers and tunnels are not looked at unless they are named', (t) => {
  const physical = (name: string) => isPhysical({ name, mac: '', networks: [] });
  for (const name of ['eth0', 'enp3s0', 'wlan0', 'en0', 'br0', 'bond0', 'usb0']) t.true(physical(name), name);
  for (const name of ['docker0', 'br-0123456789ab', 'veth12', 'virbr0', 'tun0', 'utun3', 'wg0', 'tailscale0', 'awdl0']) t.false(physical(name), name);
});
