import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { styleText } from 'node:util';
import { execa } from 'execa';
import { formatBytes, formatDuration, formatTable } from '../../src/cli/report/format.ts';
import { formatPlatform } from '../../src/oci/platform.ts';
import { shortDigest } from '../../src/oci/digest.ts';
import { readRelease } from '../../src/release/read-release.ts';
import { exchangeMessage } from '../support/chat/chat-client.ts';
import { entry, node, proseShip } from '../support/command-line.ts';
import { domain, siteName, writeProsodySite } from '../support/chat/prosody-site.ts';
import { createThrowawayHost, type ThrowawayHost } from '../support/hosts/throwaway-host.ts';

/**
 * `npm run demo`: the whole way with real parts. Prosody is built for two ARM platforms, packed, shipped to a device,
 * asked by a chat client, updated, and the device thrown away. The device is a stand-in for a Raspberry Pi: namespaces
 * of this machine with an sshd and a Docker engine of their own, whose ARM containers run emulated.
 */
const repository = path.resolve(import.meta.dirname, '../..');
const output = path.join(repository, 'build');
const platform = 'linux/arm64';
const host = 'pi';

if (process.getuid?.() !== 0) {
  console.error('The demo makes network namespaces and may start an engine of its own: run it as root, sudo npm run demo');
  process.exit(3);
}

const startedAt = performance.now();
const device: { current?: ThrowawayHost } = {};

try {
  const first = await release('1.0.0', '13.0.1-r1');
  const second = await release('1.0.1', '13.0.1-r2');

  say('A device is switched on', `${platform} containers, its own sshd and Docker engine`);
  device.current = await createThrowawayHost({ name: host });
  await device.current.exec(`mkdir -p /etc/prose-ship && echo ${platform.replaceAll('/', '-')} >/etc/prose-ship/platforms`);
  await cli(['provision', host]);
  await cli(['update', host, '--release', first]);

  const people = ['alice', 'bob'] as const;
  const logins = people.map((name) => ({
    jid: `${name}@${domain}`,
    password: randomBytes(12).toString('base64url'),
    server: `${device.current?.address ?? ''}:5222`,
  }));
  for (const { jid, password } of logins) await cli(['account', 'add', host, jid, '--password-stdin'], password);
  await chat(logins, 'hello from release 1.0.0');

  const { stdout } = await proseShip(['plan', 'update', host, '--release', second, '--verbose'], { environment: environment() });
  const sent = sentBytes(stdout);
  await cli(['update', host, '--release', second]);
  await chat(logins, 'hello from release 1.0.1');
  await cli(['status', host]);

  await showResults([first, second], sent);
} finally {
  await device.current?.destroy();
}

function say(title: string, detail = ''): void {
  console.log(`\n${styleText('bold', title)}${detail ? `: ${detail}` : ''}`);
}

function environment(): Record<string, string> {
  return device.current ? { PROSE_SHIP_SSH_CONFIG: device.current.sshConfigFile } : {};
}

/** Runs the command line as a person would, and shows what was typed. */
async function cli(args: readonly string[], input?: string): Promise<string> {
  const shown = args.map((word) => (word.startsWith(`${repository}/`) ? path.relative(process.cwd(), word) : word));
  console.log(`\n${styleText('cyan', '$')} prose-ship ${shown.join(' ')}`);
  const { stdout, exitCode } = await execa(node, [entry, ...args], {
    reject: false,
    env: environment(),
    stdin: input === undefined ? 'inherit' : 'pipe',
    ...(input === undefined ? {} : { input }),
    stdout: ['inherit', 'pipe'],
    stderr: 'inherit',
  });
  if (exitCode !== 0) {
    // The command has said what is wrong; a stack of ours would only hide it.
    await device.current?.destroy();
    process.exit(exitCode ?? 1);
  }
  return stdout;
}

async function release(version: string, componentVersion: string): Promise<string> {
  const file = await writeProsodySite({ directory: path.join(output, 'demo'), version, componentVersion });
  await cli(['release', '--config', file, '--output', output]);
  return path.join(output, 'release', `${siteName}-${version}`);
}

async function chat([from, to]: readonly Parameters<typeof exchangeMessage>[0][], text: string): Promise<void> {
  if (!from || !to) throw new Error('two people are needed');
  say('A chat client logs in over TLS', `${from.jid} writes to ${to.jid}`);
  console.log(`  ${await exchangeMessage(from, to, text)}`);
}

function sentBytes(stdout: string): { sentBytes: number; fullBytes: number } {
  const result = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as { hosts: { sentBytes: number; fullBytes: number }[] };
  const [only] = result.hosts;
  if (!only) throw new Error('the plan names no host');
  return only;
}

async function showResults(directories: readonly string[], sent: { sentBytes: number; fullBytes: number }): Promise<void> {
  const rows: string[][] = [];
  for (const directory of directories) {
    const { manifest } = await readRelease(directory);
    for (const { component, platform: built, archive, configDigest } of manifest.images) {
      rows.push([manifest.id, component, formatPlatform(built), formatBytes(archive.sizeBytes), shortDigest(configDigest)]);
    }
  }
  say('What was made', path.relative(process.cwd(), path.join(output, 'release')));
  console.log(formatTable(['release', 'component', 'platform', 'archive', 'image'], rows));
  const share = ((100 * sent.sentBytes) / sent.fullBytes).toFixed(2);
  console.log(`\nThe update sent ${formatBytes(sent.sentBytes)} of ${formatBytes(sent.fullBytes)} (${share} %).`);
  console.log(`All of it took ${formatDuration(performance.now() - startedAt)}; the device is gone.`);
  await rm(path.join(output, 'demo'), { recursive: true, force: true });
}
