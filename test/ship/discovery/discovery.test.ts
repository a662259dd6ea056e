import test from 'ava';
import type { NetworkInterface } from '../../../src/host/network/interfaces.ts';
import { readRecords, type MdnsAnswer, type MdnsRecord } from '../../../src/host/network/multicast-dns.ts';
import { ShipError } from '../../../src/errors.ts';
import { chooseInterfaces, nextCommand } from '../../../src/ship/discovery/discover.ts';
import { macVendor } from '../../../src/ship/discovery/mac-vendors.ts';
import { mdnsFollowUps, mdnsQuestions, mdnsSightings } from '../../../src/ship/discovery/mdns-sightings.ts';
import { mergeSightings } from '../../../src/ship/discovery/merge-sightings.ts';
import { planProbe } from '../../../src/ship/discovery/plan-probe.ts';

const eth0: NetworkInterface = {
  name: 'eth0',
  mac: '02:00:00:00:00:01',
  networks: [{ address: '192.168.1.9', prefixLength: 24, family: 4 }, { address: 'fe80::9', prefixLength: 64, family: 6 }],
};
const answer = (source: string, ...records: MdnsRecord[]): MdnsAnswer => ({ interface: 'eth0', source, records });
const a = (name: string, address: string): MdnsRecord => ({ type: address.includes(':') ? 'AAAA' : 'A', name, address });
const ptr = (name: string, target: string): MdnsRecord => ({ type: 'PTR', name, target });
const srv = (name: string, target: string): MdnsRecord => ({ type: 'SRV', name, target });

test('prefixes of Raspberry Pi, and only those', (t) => {
  for (const mac of ['b8:27:eb:00:00:00', '2c:cf:67:ff:00:01', '88:a2:9e:01:02:03', 'f0:40:af:9f:00:00', '8c:1f:64:34:a1:00']) t.is(macVendor(mac), 'Raspberry Pi', mac);
  for (const mac of ['3a:35:41:00:00:00', 'f0:40:af:80:00:00', '8c:1f:64:34:b0:00', '00:b8:27:eb:00:00']) t.is(macVendor(mac), undefined, mac);
});

test('asks for services, for the name of a fresh Pi and for the names of the site', (t) => {
  const questions = mdnsQuestions(['Chat.local', 'chat.example.org', 'raspberrypi.local', '192.168.1.5']);
  t.deepEqual(questions.filter(({ type }) => type === 'A').map(({ name }) => name), ['raspberrypi.local', 'chat.local']);
  t.deepEqual(questions.filter(({ type }) => type === 'PTR').map(({ name }) => name), ['_prose-ship._tcp.local', '_workstation._tcp.local', '_ssh._tcp.local', '_sftp-ssh._tcp.local']);
});

test('asks further only for what the answers left open', (t) => {
  const pointer = ptr('_ssh._tcp.local', 'kitchen._ssh._tcp.local');
  t.deepEqual(mdnsFollowUps([answer('192.168.1.5', pointer)]), [{ type: 'SRV', name: 'kitchen._ssh._tcp.local' }]);
  const service = srv('kitchen._ssh._tcp.local', 'kitchen.local');
  t.deepEqual(mdnsFollowUps([answer('192.168.1.5', pointer, service)]), [{ type: 'A', name: 'kitchen.local' }, { type: 'AAAA', name: 'kitchen.local' }]);
  t.deepEqual(mdnsFollowUps([answer('192.168.1.5', pointer, service, a('kitchen.local', '192.168.1.5'))]), []);
  t.deepEqual(mdnsFollowUps([answer('192.168.1.5', ptr('_ipp._tcp.local', 'printer._ipp._tcp.local'))]), []);
});

test('a neighbour with a service: name, addresses, MAC address of its workstation', (t) => {
  const workstation = 'raspberrypi [b8:27:eb:12:34:56]._workstation._tcp.local';
  const told = answer(
    '192.168.1.23',
    ptr('_workstation._tcp.local', workstation), srv(workstation, 'raspberrypi.local'),
    a('raspberrypi.local', '192.168.1.23'), a('raspberrypi.local', 'fe80::23'), a('raspberrypi.local', '172.17.0.1'), a('raspberrypi.local', '2001:db8::23'),
  );
  t.deepEqual(mdnsSightings([told], [eth0]), [
    { interface: 'eth0', addresses: ['192.168.1.23', 'fe80::23'], means: 'mDNS', name: 'raspberrypi.local', mac: 'b8:27:eb:12:34:56', services: ['_workstation._tcp.local'] },
  ]);
});

test('addresses beyond the link do not count; who tells only such ones is where it is itself', (t) => {
  t.deepEqual(mdnsSightings([answer('192.168.1.23', a('far.local', '8.8.8.8'))], [eth0])[0]?.addresses, ['192.168.1.23']);
  // One that passes on what others said is not them.
  t.deepEqual(mdnsSightings([answer('192.168.1.1', a('far.local', '8.8.8.8'), a('near.local', '192.168.1.40'))], [eth0]).map(({ name, addresses }) => [name, addresses]), [['near.local', ['192.168.1.40']]]);
  t.deepEqual(mdnsSightings([{ ...answer('192.168.1.23', a('x.local', '192.168.1.23')), interface: 'wlan0' }], [eth0]), []);
});

test('two Pis with one name stay two; one with two addresses is one', (t) => {
  const answers = [
    answer('192.168.1.23', a('raspberrypi.local', '192.168.1.23')),
    answer('192.168.1.24', a('raspberrypi.local', '192.168.1.24')),
    answer('fe80::24', a('raspberrypi.local', 'fe80::24')),
  ];
  const table = [['192.168.1.23', 'b8:27:eb:00:00:23'], ['192.168.1.24', 'dc:a6:32:00:00:24'], ['fe80::24', 'dc:a6:32:00:00:24']] as const;
  const sightings = [
    ...mdnsSightings(answers, [eth0]),
    ...table.map(([address, mac]) => ({ interface: 'eth0', addresses: [address], mac, means: 'neighbour table' as const })),
  ];
  const hosts = mergeSightings(sightings);
  t.deepEqual(hosts.map(({ names, addresses, mac, vendor }) => ({ names, addresses, mac, vendor })), [
    { names: ['raspberrypi.local'], addresses: ['192.168.1.23'], mac: 'b8:27:eb:00:00:23', vendor: 'Raspberry Pi' },
    { names: ['raspberrypi.local'], addresses: ['192.168.1.24', 'fe80::24%eth0'], mac: 'dc:a6:32:00:00:24', vendor: 'Raspberry Pi' },
  ]);
  t.deepEqual(hosts[1]?.foundBy, ['mDNS', 'neighbour table']);
  t.deepEqual(mergeSightings([...sightings].reverse()).map(({ addresses }) => addresses), hosts.map(({ addresses }) => addresses));
});

test('the same address on two interfaces is two hosts', (t) => {
  t.is(mergeSightings(['eth0', 'wlan0'].map((on) => ({ interface: on, addresses: ['fe80::1'], means: 'mDNS' as const }))).length, 2);
});

test('a Pi by its name alone; one that runs prose-ship by its service', (t) => {
  const [pi, other, ship] = mergeSightings([
    { interface: 'eth0', addresses: ['192.168.1.2'], means: 'mDNS', name: 'raspberrypi-2.local' },
    { interface: 'eth0', addresses: ['192.168.1.3'], means: 'mDNS', name: 'notraspberrypi.local', mac: '00:1b:21:00:00:01' },
    { interface: 'eth0', addresses: ['192.168.1.4'], means: 'mDNS', name: 'chat.local', services: ['_prose-ship._tcp.local'] },
  ]);
  t.like(pi, { isRaspberryPi: true, runsProseShip: false });
  t.like(other, { isRaspberryPi: false, runsProseShip: false });
  t.like(ship, { isRaspberryPi: false, runsProseShip: true });
});

test('records: names without case or control characters, and only kinds that are of use', (t) => {
  const records = readRecords({
    answers: [
      { type: 'A', name: 'Evil\u001b[2J\u009b.Local.', data: '192.168.1.66' },
      { type: 'TXT', name: 'x.local', data: ['a=b'] },
      { type: 'SRV', name: 'I._ssh._tcp.local', data: { port: 22, target: 'Host.local' } },
    ],
    additionals: [{ type: 'PTR', name: '_SSH._tcp.local', data: 'I._ssh._tcp.local' }],
  });
  t.deepEqual(records, [a('evil?[2j?.local', '192.168.1.66'), srv('i._ssh._tcp.local', 'host.local'), ptr('_ssh._tcp.local', 'i._ssh._tcp.local')]);
  t.is(readRecords({ answers: Array.from({ length: 5000 }, () => ({ type: 'A' as const, name: 'x.local', data: '192.168.1.1' })) }).length, 200);
});

test('probing: own networks, small ones, private ones', (t) => {
  const on = (address: string, prefixLength: number): NetworkInterface => ({ name: 'eth0', mac: '', networks: [{ address, prefixLength, family: 4 }, { address: 'fe80::9', prefixLength: 64, family: 6 }] });
  t.is(planProbe([on('192.168.1.9', 24)], 'auto').targets[0]?.addresses.length, 253);
  t.is(planProbe([on('10.0.0.9', 22)], 'auto').targets[0]?.addresses.length, 1021);
  const refused = (address: string, bits: number, mode: 'auto' | 'always' | 'never') => {
    const { targets, skipped } = planProbe([on(address, bits)], mode);
    t.deepEqual(targets, []);
    return skipped[0];
  };
  t.deepEqual(refused('10.0.0.9', 21, 'always'), { network: '10.0.0.9/21 (eth0)', reason: 'is larger than a /22' });
  t.deepEqual(refused('9.9.9.9', 24, 'auto'), { network: '9.9.9.9/24 (eth0)', reason: 'is not a private network' });
  t.is(planProbe([on('9.9.9.9', 24)], 'always').targets.length, 1);
  t.deepEqual(refused('192.168.1.9', 24, 'never'), { network: '192.168.1.9/24 (eth0)', reason: '--probe never' });
});

test('interfaces: all but virtual ones, or the one that is named', (t) => {
  const all = [eth0, { ...eth0, name: 'docker0' }];
  t.deepEqual(chooseInterfaces(undefined, all), [eth0]);
  t.deepEqual(chooseInterfaces('docker0', all).map(({ name }) => name), ['docker0']);
  const unknown = t.throws(() => chooseInterfaces('wlan9', all), { instanceOf: ShipError });
  t.like(unknown, { code: 'E_BAD_INTERFACE', exitStatus: 2, remedy: 'It is one of eth0, docker0.' });
  t.true(unknown.message.includes("'wlan9'"));
  const offline = t.throws(() => chooseInterfaces(undefined, [{ ...eth0, name: 'docker0' }]), { instanceOf: ShipError });
  t.like(offline, { code: 'E_NO_NETWORK', exitStatus: 3 });
  t.regex(offline.remedy ?? '', /--interface/);
});

test('the next command', (t) => {
  t.is(nextCommand({ runsProseShip: false }, '192.168.1.23'), 'prose-ship provision pi@192.168.1.23');
  t.is(nextCommand({ runsProseShip: true }, '192.168.1.23'), 'prose-ship status pi@192.168.1.23');
  t.is(nextCommand({ runsProseShip: false, site: 'pi' }, '192.168.1.23'), 'prose-ship status pi');
  t.is(nextCommand({ runsProseShip: false }, 'fe80::1%eth0'), "prose-ship provision 'pi@[fe80::1%eth0]'");
});
