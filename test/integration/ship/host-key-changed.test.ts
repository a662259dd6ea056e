import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import type { Release } from '../../../src/release/read-release.ts';
import { entry, node, proseShip } from '../../support/command-line.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { createThrowawayHost, type ThrowawayHost } from '../../support/hosts/throwaway-host.ts';
import { webRelease } from '../../support/releases/web-release.ts';

/** Somebody in between, or a host that was set up anew, while hosts are updated. Needs root, Linux, dockerd, sshd; fails without. */
const hosts: ThrowawayHost[] = [];
let environment: Record<string, string>;
let releases: readonly Release[];

/** From the next login on; with `cut` the login that is there ends, too. */
async function changeHostKey(host: ThrowawayHost, { cut }: { readonly cut: boolean }): Promise<void> {
  const changed = await host.exec(`set -e
    ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/throwaway/other_key
    sed -i 's#host_key$#other_key#' /etc/ssh/throwaway/sshd_config
    kill "$(cat /run/sshd.pid)"
    for try in $(seq 100); do /usr/sbin/sshd -f /etc/ssh/throwaway/sshd_config -E /var/log/sshd.log && break; sleep 0.1; done
    ${cut ? "for session in /proc/[0-9]*; do case \"$(tr '\\0' ' ' <$session/cmdline 2>/dev/null)\" in 'sshd: root'*) kill \"${session#/proc/}\" 2>/dev/null || : ;; esac; done" : ''}`);
  if (changed.exitCode !== 0) throw new Error(changed.stderr);
}

async function answer(host: ThrowawayHost): Promise<string> {
  return (await host.exec('curl -s -m 2 http://127.0.0.1:8081/version')).stdout;
}

test.before('two hosts that run a release', async (t) => {
  t.timeout(3 * 60_000);
  const directory = await temporaryDirectory('host-key');
  releases = [await webRelease(directory, { version: '1.0.0', port: 8081 }), await webRelease(directory, { version: '1.0.1', port: 8081 })];
  for (const name of ['pi1', 'pi2']) hosts.push(await createThrowawayHost({ name }));
  const configs = await Promise.all(hosts.map(({ sshConfigFile }) => readFile(sshConfigFile, 'utf8')));
  const config = path.join(directory, 'ssh_config');
  await writeFile(config, configs.join('\n'));
  environment = { PROSE_SHIP_SSH_CONFIG: config };
  for (const args of [['provision', 'pi1', 'pi2'], ['update', 'pi1', 'pi2', '--wave', '2', '--release', releases[0]!.directory]]) {
    const { exitCode, stderr } = await proseShip(args, { environment });
    if (exitCode !== 0) throw new Error(stderr);
  }
});

test.after.always(async () => {
  await Promise.all(hosts.map((host) => host.destroy()));
});

test.serial('nobody logs in again to a host whose key is another one; what has begun there ends by itself', async (t) => {
  t.timeout(2 * 60_000);
  const [first, second] = hosts as [ThrowawayHost, ThrowawayHost];
  const child = execa(node, [entry, 'update', 'pi1', 'pi2', '--json', '--release', releases[1]!.directory], { reject: false, env: { CI: '1', ...environment } });
  let output = '';
  let changed: Promise<void> | undefined;
  child.stdout.on('data', (chunk: Buffer) => {
    output += String(chunk);
    if (changed || !output.includes('old services stopped')) return;
    changed = Promise.all([changeHostKey(first, { cut: true }), changeHostKey(second, { cut: false })]).then(() => {});
  });
  const { exitCode, stdout, stderr } = await child;
  await changed;
  t.truthy(changed, stderr);
  t.is(exitCode, 1, stderr);
  const { hosts: outcomes } = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as { hosts: { host: string; state: string; error?: { code: string; remedy: string } }[] };
  t.deepEqual(outcomes.map(({ host, state, error }) => [host, state, error?.code]), [['pi1', 'failed', 'E_HOST_KEY_CHANGED'], ['pi2', 'not-started', undefined]]);
  t.regex(outcomes[0]!.error!.remedy, /pi1 finishes or reverts by itself/);
  for (let waited = 0; waited < 100 && (await answer(first)) !== '1.0.1'; waited += 1) await delay(300);
  t.deepEqual([await answer(first), await answer(second)], ['1.0.1', '1.0.0']);

  const again = await proseShip(['update', 'pi2', '--release', releases[1]!.directory], { environment });
  t.is(again.exitCode, 3, again.stderr);
  t.like(again.result['error'], { code: 'E_HOST_KEY_CHANGED' });
  t.regex(again.stderr, /Only then remove line 1 of .*known_hosts/);
  t.is(await answer(second), '1.0.0');
});
