import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { devicePaths } from '../../../src/device/files.ts';
import { parseRolloutLogLine } from '../../../src/device/rollout-log.ts';
import { interrupted, ShipError } from '../../../src/errors.ts';
import { withDevice } from '../../../src/ship/device.ts';
import { followUpdater } from '../../../src/ship/rollout.ts';
import type { WatchOptions } from '../../../src/ship/watch/keep-watching.ts';
import type { TaskReport } from '../../../src/tasks.ts';
import { Device } from '../../device/device.ts';
import type { SampleRelease } from '../../device/sample-release.ts';
import { proseShip } from '../../support/command-line.ts';
import { recordingContext } from '../../support/recording-context.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { webRelease } from '../../support/releases/web-release.ts';

/** Whoever watches a rollout may lose the link at any moment. Needs root, Linux, dockerd, sshd; fails without. */
let device: Device;
let environment: Record<string, string>;
let version = 0;

test.before('a device with a release, and a client that notices a dead link soon', async (t) => {
  t.timeout(180_000);
  device = await Device.create({ name: 'pi' });
  const config = path.join(await temporaryDirectory('follow'), 'ssh_config');
  const impatient = 'Host *\n  ServerAliveInterval 1\n  ServerAliveCountMax 2\n  ConnectTimeout 2\n';
  await writeFile(config, impatient + (await readFile(device.host.sshConfigFile, 'utf8')));
  environment = { PROSE_SHIP_SSH_CONFIG: config };
  const run = await device.rollout(release());
  if (run.status !== 0) throw new Error(run.output);
});

test.after.always(async () => {
  await (device as Device | undefined)?.destroy();
});

function release(soakSeconds = 0, probe = 'version'): SampleRelease {
  version += 1;
  const content = `1.${version}.0`;
  const probes = [['http', `http://127.0.0.1:8080/${probe}`, '200']];
  return { version: content, soakSeconds, timeoutSeconds: probe === 'version' ? 20 : 600, services: [{ name: 'web', content, port: 8080, probes }] };
}

interface Watched {
  readonly error: ShipError | undefined;
  /** What was shown of the log. */
  readonly shown: readonly string[];
  /** What was said about the link. */
  readonly warnings: readonly string[];
  /** The run's log on the host: what has to be shown. */
  readonly logged: readonly string[];
  readonly runs: number;
}

/** Follows a verb, and does something once its log holds a text. */
async function watch(args: readonly string[], after: string, disturb: () => Promise<unknown>, { signal, ...options }: WatchOptions & { signal?: AbortSignal } = {}): Promise<Watched> {
  const { context } = recordingContext({ environment: { ...process.env, ...environment }, ...(signal ? { signal } : {}) });
  const shown: string[] = [];
  const warnings: string[] = [];
  const report: TaskReport = {
    detail: () => {},
    progress: () => {},
    children: () => Promise.reject(new Error('has none')),
    log: (message, level) => (level === 'warning' || message.startsWith('connected to') ? warnings : shown).push(message),
  };
  const logs = `${devicePaths.stateDirectory}/log`;
  await device.host.exec(`rm -f ${logs}/*`);
  const disturbed = device.host.exec(`until grep -qs '${after}' ${logs}/*; do sleep 0.1; done`, { timeoutMs: 60_000 }).then(disturb);
  const following = withDevice(context, { name: 'pi', address: 'pi' }, {}, (one) => followUpdater(context, one, args, report, options));
  const ended = following.then(
    () => undefined,
    (reason: unknown) => {
      if (reason instanceof ShipError) return reason;
      throw reason;
    },
  );
  const [error] = await Promise.all([ended, disturbed]);
  const { stdout } = await device.host.exec(`cat ${logs}/${args[0] ?? ''}-*`);
  const logged = stdout.split('\n').flatMap((text) => {
    const line = parseRolloutLogLine(text);
    return line?.kind === 'info' ? [line.text] : [];
  });
  const runs = Number((await device.host.exec(`ls ${logs} | grep -c '^${args[0] ?? ''}-'`)).stdout);
  return { error, shown, warnings, logged, runs };
}

/** Everything that the log tells, once each, in its order; the names of states are put differently. */
function texts({ shown, logged }: Watched): readonly string[] {
  return shown.filter((text) => logged.includes(text));
}

test.serial('a cable that is pulled for some seconds: the log goes on where it stopped', async (t) => {
  t.timeout(180_000);
  const id = await device.upload(release(9));
  const watched = await watch(['rollout', id], 'watching for', async () => {
    await device.host.setLinkUp(false);
    await delay(6_000);
    await device.host.setLinkUp(true);
  });
  t.is(watched.error, undefined);
  t.deepEqual(texts(watched), watched.logged);
  t.true(watched.logged.length > 5, watched.logged.join('\n'));
  t.is(watched.shown.filter((text) => text === 'committed').length, 1);
  t.regex(watched.warnings[0] ?? '', /^The connection to pi is lost: .*pi goes on by itself; connecting again, for up to 15 minutes$/);
  t.regex(watched.warnings.at(-1) ?? '', /^connected to pi again after \d+ s$/);
  t.is((await device.inventory()).currentId, id);
});

test.serial('an SSH server that is killed and comes back: nothing is shown twice', async (t) => {
  t.timeout(180_000);
  const id = await device.upload(release(6));
  const watched = await watch(['rollout', id], 'gate', async () => {
    const killed = await device.host.exec(`listener=$(cat /run/sshd.pid); kill -KILL $listener $(pgrep -P $listener)`);
    t.is(killed.exitCode, 0, killed.stderr);
    await delay(3_000);
    await device.host.exec('/usr/sbin/sshd -f /etc/ssh/throwaway/sshd_config -E /var/log/sshd.log');
  });
  t.is(watched.error, undefined);
  t.deepEqual(texts(watched), watched.logged);
  t.true(watched.logged.length > 5, watched.logged.join('\n'));
  t.true(watched.warnings.length >= 2, watched.warnings.join('\n'));
  t.is((await device.inventory()).currentId, id);
});

test.serial('a start whose answer is lost is not started twice', async (t) => {
  t.timeout(180_000);
  const id = await device.upload(release());
  // The real updater starts the run; then the session ends before it can say so.
  const { updater } = devicePaths;
  await device.host.exec(`set -e; cp ${updater} ${updater}.real; cat >${updater}.new; chmod 755 ${updater}.new; mv ${updater}.new ${updater}`, {
    input: `#!/bin/sh
if [ "$1" = start ] && [ ! -e /tmp/answer-lost ]; then
  touch /tmp/answer-lost
  ${updater}.real "$@" >/dev/null
  # The session itself, above the shell that is to follow.
  kill -KILL "$(cut -d " " -f 4 "/proc/$PPID/stat")"
  exit
fi
exec ${updater}.real "$@"
`,
  });
  const watched = await watch(['rollout', id], 'committed', () => Promise.resolve());
  await device.host.exec(`mv ${updater}.real ${updater}`);
  t.is((await device.host.exec('test -e /tmp/answer-lost')).exitCode, 0);
  t.is(watched.error, undefined);
  t.is(watched.runs, 1);
  t.deepEqual(texts(watched), watched.logged);
  t.true(watched.logged.length > 5, watched.logged.join('\n'));
  t.regex(watched.warnings[0] ?? '', /connection to pi is lost/);
});

test.serial('a host that stays away is left to itself, and says later how it ended', async (t) => {
  t.timeout(180_000);
  const id = await device.upload(release(3));
  const watched = await watch(['rollout', id], 'watching for', () => device.host.setLinkUp(false), { giveUpAfterMs: 4_000 });
  t.like(watched.error, { code: 'E_LINK_LOST', exitStatus: 1 });
  t.regex(watched.error?.message ?? '', /The link to pi is lost, and pi could not be reached again for 4 s/);
  t.regex(watched.error?.remedy ?? '', /pi goes on by itself.*`prose-ship status pi`.*`prose-ship logs pi --run`/);
  await device.host.setLinkUp(true);
  const later = await proseShip(['logs', 'pi', '--run'], { environment });
  t.is(later.exitCode, 0, later.stderr);
  t.is(later.result['status'], 0);
  t.regex(later.stdout, /state {2}committed/);
  t.is((await device.inventory()).currentId, id);
});

test.serial('Ctrl-C while the link is away ends the watching at once, and nothing else', async (t) => {
  t.timeout(180_000);
  const id = await device.upload(release(3));
  const stopping = new AbortController();
  const watched = await watch(['rollout', id], 'watching for', async () => {
    await device.host.setLinkUp(false);
    await delay(6_000);
    stopping.abort(interrupted());
  }, { signal: stopping.signal });
  t.like(watched.error, { code: 'E_INTERRUPTED', exitStatus: 130 });
  t.regex(watched.error?.remedy ?? '', /pi finishes or reverts by itself/);
  t.regex(watched.warnings[0] ?? '', /connection to pi is lost/);
  await device.host.setLinkUp(true);
  t.is((await device.host.exec([devicePaths.updater, 'follow'], { timeoutMs: 60_000 })).exitCode, 0);
  t.is((await device.inventory()).currentId, id);
});

test.serial('a host that loses its power: the boot that takes the rollout up again is watched', async (t) => {
  t.timeout(180_000);
  const id = await device.upload(release(4));
  const watched = await watch(['rollout', id], 'watching for', async () => {
    await device.host.reboot();
    await device.run('boot'); // as prose-ship.service does it
  });
  t.is(watched.error, undefined);
  t.true(watched.warnings.some((text) => text.includes('was cut off')), watched.warnings.join('\n'));
  t.is((await device.inventory()).currentId, id);
  t.is(await device.answer(), `1.${version}.0`);
});

test.serial('of two operators the second is told who is first, and may take over', async (t) => {
  t.timeout(180_000);
  const before = await device.answer();
  const first = await device.upload(release(0, 'nothing'));
  await device.host.exec(`PROSE_SHIP_OPERATOR=anna ${devicePaths.updater} start rollout ${first}`);
  const id = await device.upload(release());
  const second = await watch(['rollout', id], 'E_LOCKED', () => Promise.resolve());
  t.like(second.error, { code: 'E_LOCKED', exitStatus: 3 });
  t.regex(second.error?.message ?? '', /^pi: another updater run holds the lock: owner anna, run rollout .*, began \d+ s ago, last progress \d s ago$/);
  t.regex(second.error?.remedy ?? '', /--steal-lock-of OWNER/);
  const refused = await proseShip(['rollback', 'pi', '--steal-lock'], { environment });
  t.is(refused.exitCode, 3, refused.stderr);
  t.regex(refused.stderr, /it counts as hung after 30 min without progress/);
  const { directory, manifest } = await webRelease(await temporaryDirectory('follow'), { version: '9.0.0', port: 8082 });
  const pushed = await proseShip(['push', 'pi', '--release', directory, '--steal-lock-of', 'anna'], { environment });
  t.is(pushed.exitCode, 0, pushed.stderr);
  t.regex(pushed.stdout, /"id":"pi\/steal-lock","title":"Take over from another run","state":"done"/);
  t.deepEqual((await device.inventory()).journal, { state: 'synced', id: manifest.id });
  t.is(await device.answer(), before, "anna's release went back");
  t.regex(await device.read(`${devicePaths.stateDirectory}/audit.log`), /\tsteal-lock anna\ttook the lock from owner anna, run rollout /);
});
