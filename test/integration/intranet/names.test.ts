import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { intranetSite, renderIntranet } from '../../support/chat/intranet-host.ts';
import { proseShip } from '../../cli/prose-ship.ts';
import { Lan, type Machine } from '../../support/hosts/lan.ts';

const address = '10.78.0.23';

async function dnsOutput(t: ExecutionContext, lan: Lan, domain: string, ...words: string[]): Promise<string> {
  const file = path.join(lan.directory, 'prose-ship.yaml');
  await writeFile(file, intranetSite({ domain, address }));
  const { exitCode, stdout, stderr } = await proseShip(['dns', '--config', file, ...words]);
  t.is(exitCode, 0, stderr);
  return stdout;
}

async function addresses(machine: Machine, name: string): Promise<string[]> {
  const { stdout } = await machine.exec(`timeout 20 getent ahostsv4 ${name} || true`);
  return [...new Set(stdout.split('\n').flatMap((line) => line.split(/\s/).slice(0, 1)).filter((text) => text !== ''))];
}

test('the hosts file of a client leads to the host', async (t) => {
  await using lan = await Lan.create();
  const laptop = await lan.add('laptop', { address: '10.78.0.2' });
  const text = await dnsOutput(t, lan, 'chat.home', '--format', 'hosts');
  t.is(text, `${address} chat.home`);
  const hosts = path.join(lan.directory, 'hosts');
  await writeFile(hosts, '127.0.0.1 localhost\n');
  await laptop.must(`mount --bind '${hosts}' /etc/hosts`);
  t.deepEqual(await addresses(laptop, 'chat.home'), []);
  await writeFile(hosts, `127.0.0.1 localhost\n${text}\n`);
  t.deepEqual(await addresses(laptop, 'chat.home'), [address]);
});

test('dnsmasq at the router leads every client to the host and its service', async (t) => {
  await using lan = await Lan.create();
  const laptop = await lan.add('laptop', { address: '10.78.0.2' });
  const router = await lan.add('router', { address: '10.78.0.1' });
  const configuration = path.join(lan.directory, 'dnsmasq.conf');
  await writeFile(configuration, `no-resolv\nno-hosts\npid-file\nuser=root\nlisten-address=10.78.0.1\nbind-interfaces\n${await dnsOutput(t, lan, 'chat.home', '--format', 'dnsmasq')}\n`);
  await router.must(`dnsmasq --conf-file='${configuration}'`);
  const resolver = path.join(lan.directory, 'resolv.conf');
  await writeFile(resolver, 'nameserver 10.78.0.1\noptions timeout:2 attempts:1\n');
  await laptop.must(`mount --bind '${resolver}' /etc/resolv.conf`);
  t.deepEqual(await addresses(laptop, 'chat.home'), [address]);
  const checked = await laptop.proseShip(['dns', '--check']);
  t.is(checked.exitCode, 0, checked.stderr);
});

/** A system bus of the machine's own: Avahi takes names from other programs over it alone. */
async function startAvahiOnBus(machine: Machine, hostName: string): Promise<void> {
  const configuration = path.join(machine.directory, `${machine.name}-avahi.conf`);
  await writeFile(configuration, `[server]\nhost-name=${hostName}\nuse-ipv4=yes\nuse-ipv6=no\n[publish]\npublish-workstation=no\n`);
  await machine.must(`mkdir -p /run/dbus /run/avahi-daemon && dbus-daemon --system --fork
    avahi-daemon --daemonize --no-drop-root --no-chroot --no-rlimits --file '${configuration}'`);
}

function lineOf(unit: string, key: string): string {
  return new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? '';
}

test('multicast DNS: the unit gives the host the name of the site beside its own, and clients resolve it', async (t) => {
  await using lan = await Lan.create();
  const laptop = await lan.add('laptop', { address: '10.78.0.2' });
  const pi = await lan.add('pi', { address });
  await startAvahiOnBus(pi, 'raspberrypi');
  await startAvahiOnBus(laptop, 'laptop');
  const resolve = async (name: string) => (await laptop.exec(`timeout 20 avahi-resolve -4 --name ${name}`)).stdout.trim().split(/\s+/).at(-1);
  t.is(await resolve('raspberrypi.local'), address);
  t.not(await resolve('chat.local'), address);
  const unit = (await renderIntranet({ domain: 'chat.local', address })).get('/etc/systemd/system/office-mdns.service') ?? '';
  const program = lineOf(unit, 'ExecStart').split(' ');
  await pi.daemon(['sh', '-c', 'exec "$@" 2>&1', 'sh', ...program], 'Established under name');
  t.is(await resolve('chat.local'), address);
  t.is(await resolve('raspberrypi.local'), address, 'its own name stays');
  // Where the host has the site's name itself there is nothing to add; systemd makes one dollar sign of two.
  const condition = lineOf(unit, 'ExecCondition').replaceAll('$$', '$');
  t.is((await pi.exec(`eval "${condition.replaceAll(/["$\\]/g, '\\$&')}"`)).exitCode, 0);
  await pi.must('hostname chat');
  t.is((await pi.exec(`eval "${condition.replaceAll(/["$\\]/g, '\\$&')}"`)).exitCode, 1);
});

test('a site whose domain is no multicast name has no such unit', async (t) => {
  t.false((await renderIntranet({ domain: 'chat.home', address })).has('/etc/systemd/system/office-mdns.service'));
});

test('Avahi announces the server itself', async (t) => {
  await using lan = await Lan.create();
  const laptop = await lan.add('laptop', { address: '10.78.0.2' });
  const pi = await lan.add('pi', { address });
  const announcement = (await renderIntranet({ domain: 'chat.local', address })).get('/etc/avahi/services/office.service') ?? '';
  const folder = path.join(lan.directory, 'services');
  await pi.must(`mkdir '${folder}' && mount --bind '${folder}' /etc/avahi/services`);
  await writeFile(path.join(folder, 'office.service'), announcement);
  await startAvahiOnBus(pi, 'raspberrypi');
  await startAvahiOnBus(laptop, 'laptop');
  // It ends with what is known by then, and a service is announced only when nobody else was found to have its name.
  const { stdout } = await laptop.exec("timeout 60 sh -c 'until avahi-browse --terminate --resolve --parsable _xmpp-client._tcp | grep ^=; do sleep 0.2; done'");
  t.regex(stdout, /^=;eth0;IPv4;Chat\\032chat\\\.local\\032on\\032raspberrypi;.*;raspberrypi\.local;10\.78\.0\.23;5222;/m);
});
