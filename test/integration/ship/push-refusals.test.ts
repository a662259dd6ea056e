import { readdir } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { Release } from '../../../src/release/read-release.ts';
import { proseShip, type CommandLineResult } from '../../support/command-line.ts';
import { signerLine, signingKey, signWithOpenSsh, writeSigners } from '../../support/ssh/signing-key.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { createThrowawayHost, type ThrowawayHost } from '../../support/hosts/throwaway-host.ts';
import { webRelease } from '../../support/releases/web-release.ts';

/** What `push` finds on a host before anything crosses the link. Needs root, Linux, dockerd, sshd; fails without. */
const incoming = '/var/lib/prose-ship/incoming';
let directory: string;
let host: ThrowawayHost;
let login: string;
let key: string;

function run(...args: readonly string[]): Promise<CommandLineResult> {
  return proseShip(args, { environment: { PROSE_SHIP_SSH_CONFIG: host.sshConfigFile }, cwd: directory });
}

function push({ directory: release }: Release, as = login): Promise<CommandLineResult> {
  return run('push', as, '--release', release);
}

function codeOf({ result }: CommandLineResult): string | undefined {
  return (result['error'] as { code: string } | undefined)?.code;
}

async function uploads(): Promise<string[]> {
  return (await readdir(path.join(host.root, incoming))).sort();
}

test.before('a host that anna and bert may use', async () => {
  directory = await temporaryDirectory('push-refusals');
  key = await signingKey(directory, 'ci');
  host = await createThrowawayHost({ name: 'pi' });
  await host.addUser('anna', { sudo: true });
  await host.addUser('bert', { sudo: true });
  login = `anna@${host.address}`;
  const provisioned = await run('provision', login);
  if (provisioned.exitCode !== 0) throw new Error(provisioned.stderr);
});

test.after.always(async () => {
  await host.destroy();
});

test.serial('what somebody else left half-way is gone on with, and other uploads stay whose they are', async (t) => {
  const release = await webRelease(directory, { version: '1.0.0', port: 8081 });
  const { id } = release.manifest;
  const other = `${incoming}/9.9.9-0123456789ab`;
  const theirs = await host.exec(`install -d -m 0700 -o bert ${incoming}/${id} ${incoming}/${id}/images ${other} ${other}/images &&
    echo half >${incoming}/${id}/images/.abc.part && echo other >${other}/images/.def.part && chmod 0600 ${incoming}/${id}/images/.abc.part`);
  t.is(theirs.exitCode, 0, theirs.stderr);
  const before = (await host.exec(`find ${other} -printf '%p %u %m\\n'`)).stdout;
  const pushed = await push(release);
  t.is(pushed.exitCode, 0, pushed.stderr);
  t.deepEqual(await uploads(), [path.basename(other)]);
  t.is((await host.exec(`find ${other} -printf '%p %u %m\\n'`)).stdout, before);
  await host.exec(`rm -rf ${other}`);
});

test.serial('a drop zone that belongs to another login is told before anything is sent', async (t) => {
  const release = await webRelease(directory, { version: '1.0.1', port: 8081 });
  const refused = await push(release, `bert@${host.address}`);
  t.is(refused.exitCode, 3, refused.stderr);
  t.is(codeOf(refused), 'E_NOT_PROVISIONED');
  t.regex(refused.stderr, /incoming on bert@\S+ belongs to uid \d+, so bert cannot upload[^]*Run `prose-ship provision bert@\S+` as bert/);
  t.deepEqual(await uploads(), []);
});

test.serial('a host that got a list of signers takes their releases, and is not sent others', async (t) => {
  const stranger = await signingKey(directory, 'stranger');
  const signers = await writeSigners(path.join(directory, 'signers'), await signerLine(key, 'ci@example.org', 'namespaces="prose-ship-release"'));
  const bad = await run('provision', login, '--allowed-signers', `${key}.pub`);
  t.is(bad.exitCode, 2, 'a public key is no list');
  t.is(codeOf(bad), 'E_BAD_ALLOWED_SIGNERS');
  const provisioned = await run('provision', login, '--allowed-signers', signers);
  t.is(provisioned.exitCode, 0, provisioned.stderr);
  t.is((await host.exec("stat -c '%a %U' /etc/prose-ship/allowed_signers")).stdout, '644 root');
  const again = await run('provision', login, '--allowed-signers', signers);
  t.regex(again.stdout, /"title":"Who may sign releases","state":"done",[^\n]*"detail":"is there already"/);
  t.regex((await run('status', login)).stdout, /\["signers","\/etc\/prose-ship\/allowed_signers"\]/);

  const release = await webRelease(directory, { version: '1.1.0', port: 8081 });
  const unsigned = await push(release);
  t.is(unsigned.exitCode, 3, unsigned.stderr);
  t.is(codeOf(unsigned), 'E_SIGNATURE_MISSING');
  t.regex(unsigned.stderr, /takes signed releases only[^]*release --sign KEY/);
  t.deepEqual(await uploads(), []);

  await signWithOpenSsh(stranger, release.directory);
  const wrong = await push(release);
  t.is(wrong.exitCode, 3, wrong.stderr);
  t.is(codeOf(wrong), 'E_SIGNATURE');
  t.deepEqual(await uploads(), [release.manifest.id]);
  t.is((await run('verify', release.directory)).exitCode, 0, 'nobody is asked for here');
  const verified = await run('verify', release.directory, '--allowed-signers', signers);
  t.is(verified.exitCode, 3);
  t.is(codeOf(verified), 'E_SIGNATURE_SIGNER');

  await signWithOpenSsh(key, release.directory);
  t.like((await run('verify', release.directory, '--allowed-signers', signers)).result, { id: release.manifest.id, signer: { principal: 'ci@example.org' } });
  const updated = await run('update', login, '--release', release.directory);
  t.is(updated.exitCode, 0, updated.stderr);
  t.regex(updated.stdout, /is signed by ci@example\.org with ED25519 key/);
  t.is((await host.exec('curl -s http://127.0.0.1:8081/version')).stdout, '1.1.0');
});

test.serial('a disk that is read-only is told before anything is sent, and status still answers', async (t) => {
  const release = await webRelease(directory, { version: '1.2.0', port: 8081 });
  await signWithOpenSsh(key, release.directory);
  const running = (await host.exec('docker ps -q --no-trunc')).stdout;
  // Where the scratch space is, too: on many systems it is on the same card.
  const remount = (how: string) => host.exec(`mount -o remount,bind,${how} /var/lib/prose-ship && mount -o remount,bind,${how} /tmp`);
  const frozen = await remount('ro');
  t.is(frozen.exitCode, 0, frozen.stderr);
  const refused = await push(release);
  t.is(refused.exitCode, 3, refused.stderr);
  t.is(codeOf(refused), 'E_READ_ONLY');
  t.regex(refused.stderr, /cannot write to \/var\/lib\/prose-ship: its file system is read-only[^]*dmesg/);
  const status = await run('status', login);
  t.is(status.exitCode, 0, status.stderr);
  t.regex(status.stdout, /\["read-only","\/var\/lib\/prose-ship"\]/);
  for (const verb of [`rollout ${release.manifest.id}`, 'rollback', 'prune', 'start rollback']) {
    const direct = await host.exec(`/usr/lib/prose-ship/updater ${verb}`);
    t.is(direct.exitCode, 3, `${verb}: ${direct.stderr}`);
    t.regex(direct.stdout, /^\d+\terror\tE_READ_ONLY\t\/var\/lib\/prose-ship is read-only, so nothing was begun.*\n\d+\tend\t3$/);
  }
  t.is((await host.exec('docker ps -q --no-trunc')).stdout, running);
  t.is((await remount('rw')).exitCode, 0);
  const pushed = await push(release);
  t.is(pushed.exitCode, 0, pushed.stderr);
});
