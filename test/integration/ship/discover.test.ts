import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { DiscoveredHost } from '../../../src/ship/discovery/discover.ts';
import { node, type CommandLineResult } from '../../support/command-line.ts';
import { Lan, type Machine } from '../../support/hosts/lan.ts';

const responder = path.resolve(import.meta.dirname, '../../support/mdns-responder.ts');
const announcement = path.resolve(import.meta.dirname, '../../../src/device/os/avahi.service');

function found(t: ExecutionContext, { exitCode, stderr, result }: CommandLineResult): readonly DiscoveredHost[] {
  t.is(exitCode, 0, stderr);
  return result['hosts'] as DiscoveredHost[];
}

async function standIn(machine: Machine, address: string, name: string, addresses: string, ...more: string[]): Promise<void> {
  await machine.daemon([node, responder, address, name, addresses, ...more], 'ready');
}

test('Avahi and sshd of a fresh Pi: name, addresses of both families, MAC, banner, next command', async (t) => {
  await using lan = await Lan.create();
  const laptop = await lan.add('laptop', { address: '10.77.0.2' });
  const pi = await lan.add('pi', { address: '10.77.0.23', mac: 'b8:27:eb:12:34:56' });
  const chat = await lan.add('chat', { address: '10.77.0.24', mac: 'dc:a6:32:12:34:56' });
  await lan.add('printer', { address: '10.77.0.50' });
  await pi.startSshd();
  await chat.startSshd();
  await pi.startAvahi('raspberrypi');
  await chat.startAvahi('chat', { 'prose-ship.service': await readFile(announcement, 'utf8') });

  const hosts = found(t, await laptop.proseShip(['discover', '--interface', 'eth0', '--probe', 'never']));
  t.is(hosts.length, 2);
  t.like(hosts[0], {
    names: ['raspberrypi.local'],
    addresses: ['10.77.0.23', 'fe80::ba27:ebff:fe12:3456%eth0'],
    mac: 'b8:27:eb:12:34:56',
    vendor: 'Raspberry Pi',
    foundBy: ['mDNS'],
    isRaspberryPi: true,
    runsProseShip: false,
    next: 'prose-ship provision pi@10.77.0.23',
  });
  t.regex(hosts[0]?.ssh ?? '', /^OpenSSH_\d/);
  t.like(hosts[1], { names: ['chat.local'], runsProseShip: true, next: 'prose-ship status pi@10.77.0.24' });

  await writeFile(path.join(lan.directory, 'prose-ship.yaml'), 'schema: 1\nname: chat\nversion: 1.0.0\nrecipe: prosody\ndomain: chat.example.org\nhosts:\n  living-room: raspberrypi.local\n');
  const ours = found(t, await laptop.proseShip(['discover', '--timeout', '3']));
  t.is(ours.find(({ site }) => site === 'living-room')?.next, 'prose-ship status living-room');
});

test('IPv6 link-local alone', async (t) => {
  await using lan = await Lan.create();
  const laptop = await lan.add('laptop');
  const pi = await lan.add('pi', { mac: '2c:cf:67:00:00:01' });
  await pi.startSshd();
  await pi.startAvahi('raspberrypi');
  const [host, ...more] = found(t, await laptop.proseShip(['discover', '--timeout', '3']));
  t.deepEqual(more, []);
  t.like(host, { addresses: ['fe80::2ecf:67ff:fe00:1%eth0'], mac: '2c:cf:67:00:00:01', next: "prose-ship provision 'pi@[fe80::2ecf:67ff:fe00:1%eth0]'" });
  t.regex(host?.ssh ?? '', /^OpenSSH_/);
  // The command that it names gets as far as the question whether to trust the key.
  const next = await laptop.proseShip(['provision', 'root@[fe80::2ecf:67ff:fe00:1%eth0]']);
  t.is((next.result['error'] as { code: string }).code, 'E_HOST_KEY_UNKNOWN', next.stderr);
});

test('two Pis with one name, damaged packets, answers from other networks', async (t) => {
  await using lan = await Lan.create();
  const laptop = await lan.add('laptop', { address: '10.77.0.2' });
  const one = await lan.add('one', { address: '10.77.0.31', mac: 'e4:5f:01:00:00:31' });
  const two = await lan.add('two', { address: '10.77.0.32', mac: 'd8:3a:dd:00:00:32' });
  const far = await lan.add('far', { address: '10.99.0.9', mac: 'b8:27:eb:00:00:99' });
  await far.must('ip route add default dev eth0');
  await standIn(one, '10.77.0.31', 'raspberrypi.local', '10.77.0.31,172.17.0.1');
  await standIn(two, '10.77.0.32', 'raspberrypi.local', '10.77.0.32', 'garbage');
  await standIn(far, '10.99.0.9', 'raspberrypi.local', '10.99.0.9,10.77.0.66');
  const result = await laptop.proseShip(['discover', '--timeout', '3', '--all', '--verbose']);
  const hosts = found(t, result);
  t.regex(result.stderr + result.stdout, /mDNS on eth0: .*decode/i, 'the damaged packets arrived');
  t.deepEqual(hosts.map(({ names, addresses, mac }) => [names[0], addresses[0], mac]), [
    ['raspberrypi.local', '10.77.0.31', 'e4:5f:01:00:00:31'],
    ['raspberrypi.local', '10.77.0.32', 'd8:3a:dd:00:00:32'],
  ]);
  t.is(hosts[0]?.next, undefined, 'no SSH server answers there');
});

test('a Pi that says nothing is found by probing, which stays on the local network and below its rate', async (t) => {
  await using lan = await Lan.create();
  const laptop = await lan.add('laptop', { address: '10.77.0.2' });
  const quiet = await lan.add('quiet', { address: '10.77.0.200', mac: '88:a2:9e:00:00:01' });
  const router = await lan.add('router', { address: '10.77.0.1' });
  await quiet.startSshd();
  await router.must(`sysctl -qw net.ipv4.ip_forward=1
    nft add table ip seen
    nft 'add chain ip seen in { type filter hook prerouting priority -300; }'
    nft add rule ip seen in ip daddr != 10.77.0.0/24 ip daddr != 224.0.0.0/4 ip daddr != 255.255.255.255 counter`);
  await laptop.must(`ip route add default via 10.77.0.1
    nft add table ip sent
    nft 'add chain ip sent out { type filter hook output priority 0; }'
    nft add rule ip sent out udp dport 9 ip daddr 10.77.0.0/24 ip ttl 1 counter
    nft add rule ip sent out ip daddr != 10.77.0.0/24 ip daddr != 224.0.0.0/24 counter`);
  // 224.0.0.0/24 is never routed (RFC 5771): questions of mDNS, and IGMP that joins their group.
  const counters = async (machine: Machine, table: string) => [...(await machine.must(`nft list table ip ${table}`)).matchAll(/packets (\d+)/g)].map(([, packets]) => Number(packets));
  const startedAt = performance.now();
  const [host, ...more] = found(t, await laptop.proseShip(['discover', '--timeout', '1.5']));
  const elapsedMs = performance.now() - startedAt;
  t.deepEqual(more, []);
  t.like(host, { addresses: ['10.77.0.200'], foundBy: ['probe'], next: 'prose-ship provision pi@10.77.0.200' });
  t.deepEqual(await counters(laptop, 'sent'), [253, 0], 'one packet an address, none elsewhere');
  t.deepEqual(await counters(router, 'seen'), [0]);
  t.true(elapsedMs > (253 / 200) * 1000, `${elapsedMs} ms`);
  // Now the table of neighbours knows it, and nothing is probed.
  const [again] = found(t, await laptop.proseShip(['discover', '--timeout', '1.5']));
  t.deepEqual(again?.foundBy, ['neighbour table']);
  t.is((await counters(laptop, 'sent'))[0], 253);
});

test('nothing found, no such interface, no network: what to do', async (t) => {
  await using lan = await Lan.create();
  const laptop = await lan.add('laptop', { address: '10.77.0.2', bits: 29 });
  const error = ({ result }: CommandLineResult) => result['error'] as { code: string; message: string; remedy: string };
  const nothing = await laptop.proseShip(['discover', '--timeout', '0.3']);
  t.is(nothing.exitCode, 1);
  t.is(error(nothing).code, 'E_NOTHING_FOUND');
  t.regex(error(nothing).message, /10\.77\.0\.2\/29 on eth0/);
  t.regex(error(nothing).remedy, /--probe always/);
  const unknown = await laptop.proseShip(['discover', '--interface', 'wlan9']);
  t.is(unknown.exitCode, 2);
  t.like(error(unknown), { code: 'E_BAD_INTERFACE', remedy: 'It is one of eth0.' });
  const never = await laptop.proseShip(['discover', '--timeout', 'soon']);
  t.is(never.exitCode, 2);
  t.like(error(never), { code: 'E_USAGE', message: "'soon' is not a time to wait" });
  await laptop.must('ip link set eth0 down');
  const offline = await laptop.proseShip(['discover']);
  t.is(offline.exitCode, 3);
  t.is(error(offline).code, 'E_NO_NETWORK');
});
