import { cp, open, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import { withDevice } from '../../src/ship/device.ts';
import { secretTask } from '../../src/ship/push.ts';
import { runTasks } from '../../src/tasks.ts';
import { recordingContext } from '../support/recording-context.ts';
import { readRelease } from '../../src/release/read-release.ts';
import { exchangeMessage } from '../support/chat/chat-client.ts';
import { entry, errorCode, interruptAfter, node, proseShip, type CommandLineResult } from '../support/command-line.ts';
import { ProsodyReleases, armPlatform, createArmHost, environmentOf } from '../support/chat/prosody-releases.ts';
import { domain } from '../support/chat/prosody-site.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import type { ThrowawayHost } from '../support/hosts/throwaway-host.ts';

/**
 * The whole way through the command line: build, release, provision, push, update, rollback, and what refuses to work.
 * Needs root, Linux, dockerd, buildx, binfmt for arm64 and arm, mmdebstrap or a registry, sshd, go-sendxmpp; fails
 * without. The device runs arm64 containers under emulation.
 */
let directory: string;
let pi: ThrowawayHost;
let releases: Readonly<Record<string, string>>;
let prosody: ProsodyReleases;
const alice = { jid: `alice@${domain}`, password: 'a password with spaces' };
const bob = { jid: `bob@${domain}`, password: "bob's" };

/** A verb against the device. */
function ship(args: readonly string[], options: { input?: string; host?: ThrowawayHost } = {}): Promise<CommandLineResult> {
  return proseShip(args, {
    environment: environmentOf(options.host ?? pi),
    cwd: directory,
    ...(options.input === undefined ? {} : { input: options.input }),
  });
}

async function chat(text: string): Promise<string> {
  const server = `${pi.address}:5222`;
  return exchangeMessage({ ...alice, server }, { ...bob, server }, text);
}

test.before('build and pack two releases', async (t) => {
  t.timeout(25 * 60_000);
  directory = await temporaryDirectory('pipeline');
  prosody = new ProsodyReleases(directory);
  releases = prosody.directories;
  const recipe = await prosody.writeRecipe('good', (text) => text);
  for (const [version, component] of [['1.0.0', '13.0.1-r1'], ['1.0.1', '13.0.1-r2']] as const) {
    const made = await prosody.makeRelease(version, component, recipe);
    if (made.exitCode !== 0) throw new Error(made.stderr);
  }
  pi = await createArmHost('pi');
});

test.after.always(async () => {
  await (pi as ThrowawayHost | undefined)?.destroy();
});

test.serial('a release has an image of the right architecture for both platforms, and verifies', async (t) => {
  const { manifest } = await readRelease(releases['1.0.0']!);
  t.deepEqual(manifest.images.map(({ platform: { architecture, variant } }) => `${architecture}${variant ?? ''}`), ['armv7', 'arm64']);
  t.is((await proseShip(['verify', releases['1.0.0']!])).exitCode, 0);
});

test.serial('packing the same inputs again gives the same bytes, and says so', async (t) => {
  t.timeout(5 * 60_000);
  const before = await readFile(path.join(releases['1.0.1']!, 'SHA256SUMS'), 'utf8');
  const again = await prosody.makeRelease('1.0.1', '13.0.1-r2', path.join(directory, 'recipes/good'));
  t.is(again.exitCode, 0, again.stderr);
  t.is(again.result['unchanged'], true);
  t.is(await readFile(path.join(releases['1.0.1']!, 'SHA256SUMS'), 'utf8'), before);
});

test.serial('a host without updater is refused with the remedy, and nothing is touched', async (t) => {
  const refused = await ship(['update', 'pi', '--release', releases['1.0.0']!]);
  t.is(refused.exitCode, 3);
  t.is(errorCode(refused), 'E_NOT_PROVISIONED');
  t.regex(refused.stderr, /prose-ship provision pi/);
});

test.serial('provisioning twice changes nothing the second time', async (t) => {
  const first = await ship(['provision', 'pi']);
  t.is(first.exitCode, 0, first.stderr);
  const second = await ship(['provision', 'pi']);
  t.is(second.exitCode, 0);
  t.regex(second.stdout, /is there already/);
});

test.serial('push starts nothing; update then sends nothing, and people can chat', async (t) => {
  t.timeout(5 * 60_000);
  const pushed = await ship(['push', 'pi', '--release', releases['1.0.0']!]);
  t.is(pushed.exitCode, 0, pushed.stderr);
  t.is((await pi.exec('docker ps -q')).stdout, '');
  const updated = await ship(['update', 'pi', '--release', releases['1.0.0']!]);
  t.is(updated.exitCode, 0, updated.stderr);
  t.is((updated.result['hosts'] as { sentBytes: number }[])[0]?.sentBytes, 0);
  for (const { jid, password } of [alice, bob]) {
    const added = await ship(['account', 'add', 'pi', jid, '--password-stdin'], { input: `${password}\n` });
    t.is(added.exitCode, 0, added.stderr);
    t.false(`${added.stdout}${added.stderr}`.includes(password));
  }
  const listed = await ship(['account', 'list', 'pi']);
  t.is(listed.exitCode, 0, listed.stderr);
  t.regex(await chat('before the update'), /before the update/);
});

test.serial('logs prints what a service says', async (t) => {
  const said = await ship(['logs', 'pi', 'server', '--tail', '1000']);
  t.is(said.exitCode, 0, said.stderr);
  t.regex(said.stdout, /server-1 .*Hello and welcome to Prosody/);
  t.regex(said.stdout, /alice@chat\.example\.org/);
  t.false(said.stdout.includes(alice.password));
  const none = await ship(['logs', 'pi', 'nobody']);
  t.is(errorCode(none), 'E_REMOTE_COMMAND_FAILED');
});

test.serial('an update sends one small layer, and accounts survive it', async (t) => {
  t.timeout(5 * 60_000);
  const updated = await ship(['update', 'pi', '--release', releases['1.0.1']!]);
  t.is(updated.exitCode, 0, updated.stderr);
  const [sent] = updated.result['hosts'] as { sentBytes: number; fullBytes: number }[];
  t.true(sent!.sentBytes > 0 && sent!.sentBytes < sent!.fullBytes / 100, JSON.stringify(sent));
  const component = await pi.exec('docker exec chat-server-1 cat /usr/share/prose-ship/component.json');
  t.regex(component.stdout, /13\.0\.1-r2/);
  t.regex(await chat('after the update'), /after the update/);
});

test.serial('an update to what runs already replaces nothing', async (t) => {
  const container = (await pi.exec('docker ps -q --no-trunc')).stdout;
  const updated = await ship(['update', 'pi', '--release', releases['1.0.1']!]);
  t.is(updated.exitCode, 0, updated.stderr);
  t.is((await pi.exec('docker ps -q --no-trunc')).stdout, container);
});

test.serial('an older release is refused without --allow-downgrade', async (t) => {
  const refused = await ship(['update', 'pi', '--release', releases['1.0.0']!]);
  t.is(refused.exitCode, 3);
  t.is(errorCode(refused), 'E_DOWNGRADE');
  t.regex(refused.stderr, /--allow-downgrade/);
});

test.serial('a gate that never passes is rolled back with exit status 4, and people chat on', async (t) => {
  t.timeout(10 * 60_000);
  const recipe = await prosody.writeRecipe('bad', (text) => text.replace(/port: .*client_port.*/, 'port: 5999').replace(/timeoutSeconds: \d+/, 'timeoutSeconds: 30'));
  const made = await prosody.makeRelease('1.0.2', '13.0.1-r3', recipe);
  t.is(made.exitCode, 0, made.stderr);
  const failed = await ship(['update', 'pi', '--release', releases['1.0.2']!]);
  t.is(failed.exitCode, 4, failed.stderr);
  t.is(errorCode(failed), 'E_ROLLED_BACK');
  t.regex(failed.stderr, /5999/);
  const { manifest } = await readRelease(releases['1.0.1']!);
  t.regex((await ship(['status', 'pi'])).stdout, new RegExp(`current","${manifest.id.replaceAll('.', '\\.')}`));
  t.regex(await chat('after the failed update'), /after the failed update/);
});

test.serial('rollback returns to the release before, with the accounts', async (t) => {
  t.timeout(5 * 60_000);
  const back = await ship(['rollback', 'pi']);
  t.is(back.exitCode, 0, back.stderr);
  const component = await pi.exec('docker exec chat-server-1 cat /usr/share/prose-ship/component.json');
  t.regex(component.stdout, /13\.0\.1-r1/);
  t.regex(await chat('after the rollback'), /after the rollback/);
});

test.serial('Ctrl-C during the upload leaves the host as it was, and the next update works', async (t) => {
  t.timeout(5 * 60_000);
  const host = await createArmHost('slow');
  try {
    t.is((await ship(['provision', 'slow'], { host })).exitCode, 0);
    await host.shapeLink({ mbitPerSecond: 20 });
    const running = execa(node, [entry, 'push', 'slow', '--release', releases['1.0.0']!], { reject: false, env: { CI: '1', ...environmentOf(host) } });
    await delay(7_000);
    running.kill('SIGINT');
    const { exitCode, stderr } = await running;
    t.is(exitCode, 130, stderr);
    t.is((await host.exec('docker images -q')).stdout, '');
    await host.shapeLink(undefined);
    const pushed = await ship(['push', 'slow', '--release', releases['1.0.0']!], { host });
    t.is(pushed.exitCode, 0, pushed.stderr);
    t.is((await host.exec('find /var/lib/prose-ship/incoming -type f')).stdout, '');
  } finally {
    await host.destroy();
  }
});

test.serial('Ctrl-C during the rollout: the host finishes by itself', async (t) => {
  t.timeout(5 * 60_000);
  const { exitCode, stderr } = await interruptAfter('old services stopped', ['update', 'pi', '--release', releases['1.0.1']!], { environment: environmentOf(pi) });
  t.is(exitCode, 130, stderr);
  t.regex(stderr, /finishes or reverts by itself/);
  const { manifest } = await readRelease(releases['1.0.1']!);
  for (let waited = 0; ; waited += 1) {
    const { stdout } = await pi.exec('/usr/lib/prose-ship/updater status');
    if (stdout.includes(`journal\tcommitted\t${manifest.id}`)) break;
    if (waited > 120) t.fail(stdout);
    await delay(1_000);
  }
  t.regex(await chat('after the interruption'), /after the interruption/);
});

test.serial('runtime secrets lie on the host beside the release, and are sent once', async (t) => {
  const { context, events } = recordingContext({ environment: { ...process.env, ...environmentOf(pi) } });
  const value = context.secrets.add("a 'secret' value\n").reveal();
  await withDevice(context, { name: 'pi', address: 'pi' }, {}, async (device) => {
    const task = secretTask(device, new Map([['smtp_password', value]]));
    await runTasks(context, [task]);
    await runTasks(context, [task]);
  });
  const details = events.flatMap((event) => (event.type === 'task' && event.state === 'done' ? [event.detail] : []));
  t.deepEqual(details, ['1 changed', 'unchanged']);
  t.notRegex(JSON.stringify(events), /secret' value/);
  t.is((await pi.exec(['cat', '/var/lib/prose-ship/secrets/smtp_password'])).stdout, value.trimEnd());
  t.is((await pi.exec('cd /var/lib/prose-ship && stat -c %a secrets secrets/smtp_password')).stdout, '700\n444');
});

test.serial('a login that is not root ships by sudo; without sudo it is refused', async (t) => {
  t.timeout(5 * 60_000);
  await pi.addUser('anna', { sudo: true });
  await pi.addUser('bert');
  const refused = await ship(['provision', `bert@${pi.address}`]);
  t.is(refused.exitCode, 3);
  t.is(errorCode(refused), 'E_NO_SUDO');
  t.is((await ship(['provision', `anna@${pi.address}`])).exitCode, 0);
  const updated = await ship(['update', `anna@${pi.address}`, '--release', releases['1.0.1']!]);
  t.is(updated.exitCode, 0, updated.stderr);
  const unknown = await ship(['status', `nobody-here@${pi.address}`]);
  t.is(unknown.exitCode, 3);
  t.is(errorCode(unknown), 'E_AUTHENTICATION');
});

test.serial('an unknown host key is refused, and taken by its fingerprint only', async (t) => {
  const config = path.join(directory, 'ssh_config');
  const text = await readFile(pi.sshConfigFile, 'utf8');
  await writeFile(config, text.replace(/UserKnownHostsFile .*/, `UserKnownHostsFile ${path.join(directory, 'known_hosts')}`));
  const environment = { PROSE_SHIP_SSH_CONFIG: config };
  const refused = await proseShip(['status', 'pi'], { environment });
  t.is(refused.exitCode, 3);
  t.is(errorCode(refused), 'E_HOST_KEY_UNKNOWN');
  const [fingerprint] = /SHA256:[\w+/]+/.exec(refused.stderr)!;
  t.is(errorCode(await proseShip(['status', 'pi', '--accept-host-key', 'SHA256:wrong'], { environment })), 'E_HOST_KEY_UNKNOWN');
  t.is((await proseShip(['status', 'pi', '--accept-host-key', fingerprint], { environment })).exitCode, 0);
  t.is((await proseShip(['status', 'pi'], { environment })).exitCode, 0);
});

test.serial('a damaged release is refused before the host is asked anything', async (t) => {
  const damaged = path.join(directory, 'damaged');
  await cp(releases['1.0.1']!, damaged, { recursive: true });
  const file = path.join(damaged, `images/server-${armPlatform}.tar.zst`);
  const handle = await open(file, 'r+');
  await handle.write(Buffer.from([0xff]), 0, 1, 1_000_000);
  await handle.close();
  const refused = await ship(['update', 'pi', '--release', damaged]);
  t.is(refused.exitCode, 1);
  t.is(errorCode(refused), 'E_RELEASE_DAMAGED');
  t.regex(refused.stderr, /server-linux-arm64\.tar\.zst has the digest/);
});

test.serial('a release for another architecture is refused', async (t) => {
  await pi.exec('echo linux-amd64 >/etc/prose-ship/platforms');
  const refused = await ship(['update', 'pi', '--release', releases['1.0.1']!]);
  await pi.exec(`echo ${armPlatform} >/etc/prose-ship/platforms`);
  t.is(refused.exitCode, 3);
  t.is(errorCode(refused), 'E_WRONG_PLATFORM');
  t.regex(refused.stderr, /pi runs linux\/amd64/);
});

test.serial('a full disk is seen before anything is sent, and survived when it happens anyway', async (t) => {
  t.timeout(5 * 60_000);
  const host = await createArmHost('full', { diskMiB: 700, store: 'containerd' });
  try {
    t.is((await ship(['provision', 'full'], { host })).exitCode, 0);
    await host.fillDisk(100);
    const refused = await ship(['push', 'full', '--release', releases['1.0.0']!], { host });
    t.is(refused.exitCode, 3, refused.stderr);
    t.is(errorCode(refused), 'E_HOST_DISK_FULL');
    t.regex(refused.stderr, /MB free .* needs \d+ MB/);
    await host.fillDisk(undefined);
    // It fills up while the upload is under way.
    await host.shapeLink({ mbitPerSecond: 40 });
    const running = ship(['push', 'full', '--release', releases['1.0.0']!], { host });
    await delay(5_000);
    await host.fillDisk(2);
    const failed = await running;
    t.not(failed.exitCode, 0);
    t.is(errorCode(failed), 'E_HOST_DISK_FULL', failed.stderr);
    await host.fillDisk(undefined);
    await host.shapeLink(undefined);
    const updated = await ship(['update', 'full', '--release', releases['1.0.0']!], { host });
    t.is(updated.exitCode, 0, updated.stderr);
    // The containerd store takes the partial archive, too.
    const next = await ship(['update', 'full', '--release', releases['1.0.1']!], { host });
    t.is(next.exitCode, 0, next.stderr);
    const [sent] = next.result['hosts'] as { sentBytes: number; fullBytes: number }[];
    t.true(sent!.sentBytes > 0 && sent!.sentBytes < sent!.fullBytes / 100, JSON.stringify(sent));
  } finally {
    await host.destroy();
  }
});
