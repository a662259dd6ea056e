import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { exchangeMessage } from '../support/chat/chat-client.ts';
import { ProsodyReleases } from '../support/chat/prosody-releases.ts';
import { domain, writeProsodySite } from '../support/chat/prosody-site.ts';
import { proseShip } from '../support/command-line.ts';
import { BareHost } from '../support/hosts/bare/bare-host.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/**
 * A fresh Debian that has never seen a network gets Prosody from a FAT file system, an update, and one that fails. Needs root, Linux,
 * a mirror of Debian for what is made here beforehand, mtools, go-sendxmpp; takes minutes.
 */
const stick = 'media/USB STICK';
let directory: string;
let host: BareHost;
const alice = { jid: `alice@${domain}`, password: 'a password with spaces', server: '127.0.0.1:5222' };
const bob = { jid: `bob@${domain}`, password: 'b', server: '127.0.0.1:5222' };

const bundleOf = (version: string) => path.join(directory, 'stick', version);
const install = (version: string, ...options: string[]) => host.exec(['sh', `/${stick}/${version}/install.sh`, ...options], { timeoutMs: 25 * 60_000 });
const serverId = async () => (await host.exec("docker inspect -f '{{.Id}}' chat-server-1")).stdout;

/** A release of Prosody for this machine's processor; returns its site file. */
async function writeSite(version: string, component: string, change: (text: string) => string): Promise<string> {
  const recipe = await new ProsodyReleases(directory).writeRecipe(version, (text) => change(text.replace(/^ {2}packages:$/m, '  packages:\n    - tree')));
  return writeProsodySite({ directory: path.join(directory, version), version, componentVersion: component, recipe, platforms: ['linux/amd64'] });
}

/** Onto a FAT file system, and from there onto the host. */
async function carry(version: string): Promise<void> {
  const image = path.join(directory, 'fat.img');
  await execa('truncate', ['--size', '1G', image]);
  await execa('mkfs.vfat', ['-F', '32', image]);
  await execa('mcopy', ['-s', '-Q', '-i', image, bundleOf(version), '::/']);
  await host.write(`${stick}/drawer`, '');
  await execa('mcopy', ['-s', '-n', '-i', image, `::/${version}`, path.join(host.root, stick)]);
  await execa('rm', ['-f', image]);
}

async function makeBundle(version: string, component: string, change = (text: string) => text): Promise<void> {
  const site = await writeSite(version, component, change);
  const made = await proseShip(['release', '--config', site, '--output', path.join(directory, 'build'), '--offline-bundle', bundleOf(version)]);
  if (made.exitCode !== 0) throw new Error(made.stderr);
}

test.before('a bundle, and a host', async (t) => {
  t.timeout(40 * 60_000);
  directory = await temporaryDirectory('offline');
  await makeBundle('1.0.0', '13.0.1-r1');
  host = await BareHost.create('bare');
});

test.after.always(async () => {
  await (host as BareHost | undefined)?.destroy();
});

test.serial('a fresh host without any network gets engine, packages and release from a stick, and people can chat', async (t) => {
  t.timeout(40 * 60_000);
  t.deepEqual((await host.exec('tail -n +3 /proc/net/dev | cut -d : -f 1')).stdout.trim(), 'lo');
  t.is((await host.exec('command -v docker dockerd curl openssl tree')).stdout, '', 'nothing is there yet');
  await carry('1.0.0');
  const sources = await host.exec('find /etc/apt /var/lib/apt/lists -type f -exec sha256sum {} + | sort');
  const looked = await install('1.0.0', '--check');
  t.is(looked.exitCode, 0, looked.stderr);
  t.regex(looked.stdout, /packages to install/);
  t.is((await host.exec('command -v docker; ls /var/lib/prose-ship')).stdout, '', 'nothing was touched');

  const installed = await install('1.0.0');
  t.is(installed.exitCode, 0, `${installed.stdout}\n${installed.stderr}`);
  t.log(installed.stdout);
  t.regex(installed.stdout, /\n\+ Roll out 1\.0\.0-[0-9a-f]{12}: committed/);
  t.regex(installed.stdout, /docker exec -it chat-server-1 prosodyctl adduser NAME@chat\.example\.org/);
  t.is((await host.exec('command -v tree')).stdout, '/usr/bin/tree');
  t.is((await host.exec('find /etc/apt /var/lib/apt/lists -type f -exec sha256sum {} + | sort')).stdout, sources.stdout, "the host's own sources are as they were");
  t.is((await host.exec('ls -d /run/prose-ship-install.* /var/lib/prose-ship/.install-*')).stdout, '', 'nothing is left behind');
  t.is((await host.exec("awk '$2 == \"00000000\"' /proc/net/route")).stdout, '', 'there is no way out');
  for (const { jid, password } of [alice, bob]) {
    const added = await host.exec(['docker', 'exec', '-i', 'chat-server-1', 'prosodyctl', 'adduser', jid], { input: `${password}\n${password}\n` });
    t.is(added.exitCode, 0, added.stderr);
  }
  t.regex(await exchangeMessage(alice, bob, 'from a stick', host.inNetwork), /from a stick/);
});

test.serial('run again, it does nothing', async (t) => {
  t.timeout(15 * 60_000);
  const before = await serverId();
  const again = await install('1.0.0');
  t.is(again.exitCode, 0, again.stderr);
  t.regex(again.stdout, /nothing is missing[\s\S]*- Packages: all there[\s\S]*\+ Updater: is there already[\s\S]*- Release \S+: is on this host already/);
  t.is(await serverId(), before);
});

test.serial('a newer folder updates, an older one is refused, one that fails goes back', async (t) => {
  t.timeout(40 * 60_000);
  const before = await serverId();
  await makeBundle('1.0.1', '13.0.1-r2');
  await carry('1.0.1');
  const updated = await install('1.0.1');
  t.is(updated.exitCode, 0, `${updated.stdout}\n${updated.stderr}`);
  const after = await serverId();
  t.not(after, before);
  t.regex(await exchangeMessage(bob, alice, 'still here', host.inNetwork), /still here/);

  const older = await install('1.0.0');
  t.is(older.exitCode, 3);
  t.regex(older.stderr, /this host runs version 1\.0\.1, and this folder brings 1\.0\.0 \(E_DOWNGRADE\)/);

  // Nothing listens where its gate asks.
  await makeBundle('1.0.2', '13.0.1-r3', (text) => text.replace(/port: '\{\{ client_port \}\}'(\n +domain)/, 'port: 5999$1').replace(/timeoutSeconds: 180/, 'timeoutSeconds: 10'));
  await carry('1.0.2');
  const failed = await install('1.0.2');
  t.is(failed.exitCode, 4, `${failed.stdout}\n${failed.stderr}`);
  t.regex(failed.stderr, /the release before runs again \(E_ROLLED_BACK\)/);
  t.regex((await host.exec('readlink /var/lib/prose-ship/current')).stdout, /1\.0\.1-/);
  t.regex(await exchangeMessage(alice, bob, 'back again', host.inNetwork), /back again/);
});

test.serial('the same release gives the same folder, and the second time nothing is written', async (t) => {
  t.timeout(15 * 60_000);
  const arguments_ = ['--config', path.join(directory, '1.0.0/prose-ship.yaml'), '--release', path.join(directory, 'build/release/chat-1.0.0')];
  const other = path.join(directory, 'other');
  const made = await proseShip(['bundle', other, ...arguments_]);
  t.is(made.exitCode, 0, made.stderr);
  t.is((await execa('diff', ['-r', other, bundleOf('1.0.0')], { reject: false })).stdout, '');
  const again = await proseShip(['bundle', other, ...arguments_]);
  t.is(again.result['unchanged'], true, again.stderr);
  t.regex(await readFile(path.join(other, 'packages/trixie/amd64/Packages'), 'utf8'), /^Package: libc6$/m);
});
