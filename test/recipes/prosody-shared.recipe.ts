import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { stringify } from 'yaml';
import { userPaths } from '../../src/device/files.ts';
import { exchangeMessage } from '../support/chat/chat-client.ts';
import { environmentOf } from '../support/chat/prosody-releases.ts';
import { errorCode, proseShip, type CommandLineResult } from '../support/command-line.ts';
import { createThrowawayHost, type ThrowawayHost } from '../support/hosts/throwaway-host.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/**
 * The profile shared of the recipe prosody, whole: an account on a host without engine and without sudo. Images are those of this
 * machine's architecture. Needs what the pipeline's tests need.
 */
const domain = 'chat.example.org';
const platform = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64';
const alice = { jid: `alice@${domain}`, password: 'a password with spaces' };
const bob = { jid: `bob@${domain}`, password: "bob's" };
const home = '/home/anna';
const root = `${home}/${userPaths.stateDirectory}`;

let directory: string;
let host: ThrowawayHost;
let ports = { client_port: 21_522, server_port: 21_523 };

function ship(args: readonly string[], input?: string): Promise<CommandLineResult> {
  return proseShip(args, { environment: environmentOf(host), cwd: directory, ...(input === undefined ? {} : { input }) });
}

/** Runs a script on the host as its user, not through SSH. */
async function asUser(script: string): Promise<string> {
  const { stdout } = await host.exec(['su', '-', 'anna', '-c', script]);
  return stdout;
}

async function writeSite(version: string, { recipe = 'prosody', component = '13.0.1-r1' } = {}): Promise<void> {
  const site = {
    schema: 1, name: 'chat', version, recipe, profile: 'shared', domain, platforms: [platform],
    variables: { admins: [alice.jid], federation: false, ...ports },
    components: { server: { version: component } },
    hosts: { shared: `anna@${host.name}` },
  };
  await writeFile(path.join(directory, 'prose-ship.yaml'), stringify(site));
}

async function makeRelease(version: string, options: Parameters<typeof writeSite>[1] = {}): Promise<void> {
  await writeSite(version, options);
  const made = await ship(['release']);
  if (made.exitCode !== 0) throw new Error(made.stderr);
}

/** A copy of the recipe whose server ends at once. */
async function brokenRecipe(): Promise<string> {
  const target = path.join(directory, 'broken');
  await cp(path.resolve(import.meta.dirname, '../../recipes/prosody'), target, { recursive: true });
  const file = path.join(target, 'recipe.yaml');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace('command: [prosody, -F]', "command: ['false']").replace('timeoutSeconds: 180', 'timeoutSeconds: 20'));
  return target;
}

async function chat(text: string): Promise<string> {
  const server = `${host.address}:${ports.client_port}`;
  return exchangeMessage({ ...alice, server }, { ...bob, server }, text);
}

/** Somebody else's program that listens: another sshd. */
async function listenAsRoot(port: number): Promise<void> {
  await host.exec(`/usr/sbin/sshd -f /etc/ssh/throwaway/sshd_config -E /var/log/other-sshd.log -o PidFile=none -p ${port}`);
}

/** Waits until another process than `before` listens. */
async function untilUp(before: string): Promise<void> {
  const isUp = async () => {
    const now = await serverProcess();
    return now !== '' && now !== before && (await host.exec(`bash -c 'exec 3<>/dev/tcp/127.0.0.1/${ports.client_port}'`)).exitCode === 0;
  };
  for (const deadline = Date.now() + 120_000; !(await isUp()) && Date.now() < deadline; ) await delay(300);
}

/** Process id of Prosody, as its supervisor says. */
async function serverProcess(): Promise<string> {
  return (await asUser(`sed -n 's/^process\\t\\([0-9]*\\) .*/\\1/p' ${root}/services/server/state`)).trim();
}

test.before('a host with an ordinary user, without engine and sudo', async (t) => {
  t.timeout(5 * 60_000);
  directory = await temporaryDirectory('shared');
  host = await createThrowawayHost({ engine: false });
  await host.addUser('anna');
});

test.after.always(async () => {
  await (host as ThrowawayHost | undefined)?.destroy();
});

test.serial('provision needs neither root nor packages, and is repeatable', async (t) => {
  t.timeout(5 * 60_000);
  await writeSite('1.0.0');
  const provisioned = await ship(['provision', 'shared']);
  t.is(provisioned.exitCode, 0, provisioned.stderr);
  t.is((await asUser(`cat ${root}/settings/engine`)).trim(), 'none');
  const again = await ship(['provision', 'shared']);
  t.is(again.exitCode, 0, again.stderr);
  t.regex(again.stderr + again.stdout, /is there already/);
  t.is((await asUser('crontab -l')).trim(), `@reboot ${root}/lib/updater boot >/dev/null 2>&1`, 'once');
});

test.serial('ports finds a pair that is free, and remembers it', async (t) => {
  await listenAsRoot(30_000);
  const found = await ship(['ports', 'shared', '--range', '30000-30002']);
  t.is(found.exitCode, 0, found.stderr);
  const chosen = found.result['ports'] as typeof ports;
  t.deepEqual(chosen, { client_port: 30_001, server_port: 30_002 }, 'somebody listens at 30000');
  t.deepEqual((await ship(['ports', 'shared', '--range', '30000-32000'])).result['ports'], chosen);
  t.is(errorCode(await ship(['ports', 'shared', '--range', '30000-30001'])), 'E_NO_FREE_PORTS');
  ports = chosen;
});

test.serial('the first release runs, and people chat', async (t) => {
  t.timeout(25 * 60_000);
  await makeRelease('1.0.0');
  const updated = await ship(['update', 'shared']);
  t.is(updated.exitCode, 0, updated.stderr);
  for (const { jid, password } of [alice, bob]) {
    const added = await ship(['account', 'add', 'shared', jid, '--password-stdin'], `${password}\n`);
    t.is(added.exitCode, 0, added.stderr);
  }
  t.deepEqual((await ship(['account', 'list', 'shared'])).result['accounts'], [alice.jid, bob.jid]);
  t.regex(await chat('hello from a shared host'), /hello from a shared host/);
  t.is((await host.exec(['ps', '-o', 'user=', '-p', await serverProcess()])).stdout.trim(), 'anna');
});

test.serial('the zone names the ports', async (t) => {
  const records = (await ship(['dns'])).result['records'] as readonly { name: string; data: string }[];
  t.deepEqual(records.map(({ name, data }) => [name, data]), [[`_xmpp-client._tcp.${domain}`, `0 5 ${ports.client_port} ${domain}.`]]);
});

test.serial('status, logs and exec', async (t) => {
  const status = await ship(['status', 'shared']);
  t.is(status.exitCode, 0, status.stderr);
  t.regex(JSON.stringify(status.result), /"container","server","running","-","0"/);
  const logs = await ship(['logs', 'shared', '--tail', '500']);
  t.is(logs.exitCode, 0, logs.stderr);
  t.regex(logs.stdout, /server \| .*Client connected/);
  t.is(errorCode(await ship(['exec', 'shared', '--sudo', '--', 'id'])), 'E_NO_ROOT');
  t.regex((await ship(['exec', 'shared', '--', userPaths.updater, 'exec', 'server', 'prosodyctl', 'check', 'config'])).stdout, /./);
});

test.serial('stop, start, restart', async (t) => {
  t.timeout(5 * 60_000);
  const before = await serverProcess();
  const stopped = await ship(['stop', 'shared']);
  t.is(stopped.exitCode, 0, stopped.stderr);
  t.is(await serverProcess(), '');
  const started = await ship(['start', 'shared', 'server']);
  t.is(started.exitCode, 0, started.stderr);
  const second = await serverProcess();
  t.not(second, before);
  const restarted = await ship(['restart', 'shared']);
  t.is(restarted.exitCode, 0, restarted.stderr);
  t.not(await serverProcess(), second);
  t.is(errorCode(await ship(['restart', 'shared', 'web'])), 'E_UNKNOWN_SERVICE');
  t.regex(await chat('after a restart'), /after a restart/);
});

test.serial('a server that is killed comes back', async (t) => {
  t.timeout(2 * 60_000);
  const before = await serverProcess();
  await host.exec(['kill', '-KILL', before]);
  await untilUp(before);
  t.not(await serverProcess(), before);
  t.regex(await chat('after a crash'), /after a crash/);
});

test.serial('after a restart of the host, what its crontab runs brings everything up', async (t) => {
  t.timeout(5 * 60_000);
  await host.reboot();
  t.is((await host.exec('pgrep -u anna')).stdout, '', 'nothing runs yet');
  await host.exec('cron');
  await untilUp('');
  t.regex(await chat('after a reboot'), /after a reboot/);
});

test.serial('an update sends one small layer, and accounts survive it; rollback goes back', async (t) => {
  t.timeout(25 * 60_000);
  await makeRelease('1.0.1', { component: '13.0.1-r2' });
  const count = async () => (await asUser(`ls ${root}/trees | wc -l; ls ${root}/layers | wc -l`)).trim().split('\n').map(Number);
  const [trees = 0, layers = 0] = await count();
  const updated = await ship(['update', 'shared']);
  t.is(updated.exitCode, 0, updated.stderr);
  t.deepEqual(await count(), [trees + 1, layers + 1]);
  t.regex(await asUser(`cat ${root}/services/server/tree/usr/share/prose-ship/component.json`), /r2/);
  t.regex(await chat('on the second release'), /on the second release/);
  const back = await ship(['rollback', 'shared']);
  t.is(back.exitCode, 0, back.stderr);
  t.regex(await asUser(`cat ${root}/services/server/tree/usr/share/prose-ship/component.json`), /r1/);
  t.regex(await chat('on the first one again'), /on the first one again/);
});

test.serial('a backup brings accounts back as they were', async (t) => {
  t.timeout(5 * 60_000);
  const file = path.join(directory, 'chat.tar.gz');
  const made = await ship(['backup', 'shared', file]);
  t.is(made.exitCode, 0, made.stderr);
  t.is((await ship(['account', 'passwd', 'shared', bob.jid, '--password-stdin'], 'another\n')).exitCode, 0);
  await t.throwsAsync(chat('with the password from before'));
  const restored = await ship(['restore', 'shared', file, '--yes']);
  t.is(restored.exitCode, 0, restored.stderr);
  t.regex(await chat('after a restore'), /after a restore/);
  t.is(await asUser(`find ${root} -name 'prose-ship-restore*' -o -path '*/backups/*'; find ${root} ! -user anna`), '', 'nothing is left over, and all is hers');
});

test.serial('logs are followed for as long as somebody reads them', async (t) => {
  t.timeout(3 * 60_000);
  const isFollowed = async () => (await asUser('pgrep -u anna tail')) !== '';
  const interruptWhen = async () => (await isFollowed()) && /somebody follows/.test(await chat('somebody follows'));
  const followed = await proseShip(['logs', 'shared', '--follow', '--tail', '0'], { environment: environmentOf(host), cwd: directory, interruptWhen });
  t.is(followed.exitCode, 130, followed.stderr);
  t.regex(followed.stdout, /server \| .*Client connected/);
  // What reads there notices it when it has something to say.
  await chat('nobody follows');
  for (const deadline = Date.now() + 10_000; (await isFollowed()) && Date.now() < deadline; ) await delay(200);
  t.false(await isFollowed());
});

test.serial('a release that does not come up is rolled back', async (t) => {
  t.timeout(25 * 60_000);
  await makeRelease('1.1.0', { recipe: await brokenRecipe() });
  const updated = await ship(['update', 'shared']);
  t.is(updated.exitCode, 4, updated.stderr);
  t.is(errorCode(updated), 'E_ROLLED_BACK');
  t.regex(await chat('as before'), /as before/);
});

test.serial('a port of somebody else is refused before anything is touched', async (t) => {
  t.timeout(25 * 60_000);
  const before = await serverProcess();
  ports = { ...ports, client_port: 30_000 };
  await listenAsRoot(30_000);
  await makeRelease('1.2.0');
  const refused = await ship(['update', 'shared']);
  t.is(refused.exitCode, 3, refused.stderr);
  t.is(errorCode(refused), 'E_PORT_IN_USE');
  t.is(await serverProcess(), before);
});
