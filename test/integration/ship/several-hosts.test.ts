import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { devicePaths } from '../../../src/device/files.ts';
import type { Release } from '../../../src/release/read-release.ts';
import { entry, node, proseShip, type CommandLineResult } from '../../support/command-line.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { createThrowawayHost, type ThrowawayHost } from '../../support/hosts/throwaway-host.ts';
import { webRelease } from '../../support/releases/web-release.ts';

/** Verbs that go to several hosts, one of them dead. Needs root, Linux, dockerd, sshd; fails without. */
const names = ['dead', 'pi1', 'pi2'];
const hosts = new Map<string, ThrowawayHost>();
let environment: Record<string, string>;
let releases: readonly Release[];

interface HostResult {
  readonly host: string;
  readonly state?: string;
  readonly status?: readonly (readonly string[])[];
  readonly stdout?: string;
  readonly error?: { readonly code: string; readonly remedy?: string };
}

function run(...args: readonly string[]): Promise<CommandLineResult> {
  return proseShip(args, { environment });
}

/** As people see it. */
async function shown(...args: readonly string[]): Promise<{ exitCode?: number | undefined; stdout: string; stderr: string }> {
  return execa(node, [entry, ...args], { reject: false, env: { CI: '1', ...environment }, input: '' });
}

function outcomes({ result }: CommandLineResult): string[] {
  return (result['hosts'] as HostResult[]).map(({ host, state, error }) => [host, state, error?.code].filter(Boolean).join(' '));
}

async function answers(): Promise<string[]> {
  return Promise.all(['pi1', 'pi2'].map(async (name) => (await hosts.get(name)!.exec('curl -s -m 2 http://127.0.0.1:8081/version')).stdout));
}

test.before('two hosts and a dead one, two releases', async (t) => {
  t.timeout(3 * 60_000);
  const directory = await temporaryDirectory('several');
  releases = [await webRelease(directory, { version: '1.0.0', port: 8081 }), await webRelease(directory, { version: '1.0.1', port: 8081 })];
  for (const name of ['pi1', 'pi2']) hosts.set(name, await createThrowawayHost({ name }));
  const configs = await Promise.all([...hosts.values()].map(({ sshConfigFile }) => readFile(sshConfigFile, 'utf8')));
  const config = path.join(directory, 'ssh_config');
  await writeFile(config, [...configs, 'Host dead\n  HostName 127.0.0.1\n  Port 1\n', 'Host *\n  ConnectTimeout 10\n'].join('\n'));
  environment = { PROSE_SHIP_SSH_CONFIG: config };
});

test.after.always(async () => {
  await Promise.all([...hosts.values()].map((one) => one.destroy()));
});

test.serial('provision goes on with the others, both at once, and tells who is not ready', async (t) => {
  const provisioned = await run('provision', ...names);
  t.is(provisioned.exitCode, 1, provisioned.stderr);
  t.deepEqual(outcomes(provisioned), ['dead failed E_HOST_UNREACHABLE', 'pi1 ready', 'pi2 ready']);
  t.like(provisioned.result['error'], { code: 'E_HOSTS_FAILED' });
  const events = provisioned.stdout.split('\n').filter((line) => /"id":"pi[12]","title":"Make pi[12] ready","state":"(started|done)"/.test(line));
  t.deepEqual(events.map((line) => /"state":"(\w+)"/.exec(line)![1]), ['started', 'started', 'done', 'done']);
  const parts = async () => (await hosts.get('pi1')!.exec(`find ${devicePaths.libraryDirectory} -type f | sort`)).stdout;
  const before = await parts();
  await hosts.get('pi1')!.exec(`touch ${devicePaths.libraryDirectory}/updater.d/of-an-older-version.sh`);
  t.is((await run('provision', 'pi1', 'pi2')).exitCode, 0);
  t.is(await parts(), before);
});

test.serial('status shows every host, though the first is dead', async (t) => {
  const told = await run('status', ...names);
  t.is(told.exitCode, 1);
  const [dead, ...others] = told.result['hosts'] as HostResult[];
  t.like(dead, { host: 'dead', error: { code: 'E_HOST_UNREACHABLE' } });
  t.deepEqual(others.map(({ host, status }) => [host, status?.[0]]), [['pi1', ['format', '1']], ['pi2', ['format', '1']]]);
  t.like(told.result['error'], { code: 'E_HOSTS_FAILED', message: '1 of 3 hosts failed: dead' });
  const people = await shown('status', ...names);
  t.is(people.exitCode, 1);
  t.regex(people.stdout, /^dead\n {2}error {6}.* \(E_HOST_UNREACHABLE\)\n(?: {2}remedy .*\n)?pi1\n {2}updater .*\n(?: {2}.*\n)*pi2\n {2}updater /);
  t.is((await run('status', 'dead')).exitCode, 3, 'one host has its own error');
});

test.serial('exec and logs say who speaks, and end with the failure of one', async (t) => {
  const several = await shown('exec', 'pi1,dead,pi2', '--', 'hostname');
  t.is(several.exitCode, 1);
  t.deepEqual(several.stdout.split('\n').sort(), ['pi1 | pi1', 'pi2 | pi2']);
  t.regex(several.stderr, /1 of 3 hosts failed: dead/);
  const json = await run('exec', 'pi1,pi2', '--', 'hostname');
  t.is(json.exitCode, 0, json.stderr);
  t.deepEqual((json.result['hosts'] as HostResult[]).map(({ host, stdout }) => [host, stdout]), [['pi1', 'pi1'], ['pi2', 'pi2']]);
  t.is((await shown('exec', 'pi1', '--', 'hostname')).stdout, 'pi1', 'one host speaks for itself');
  const nobody = await run('exec', 'pi1,', '--', 'hostname');
  t.is(nobody.exitCode, 2);
  t.like(nobody.result['error'], { code: 'E_BAD_HOST' });
});

test.serial('rollback returns all that can be, at once; those that went back are not in what it says to run again', async (t) => {
  t.timeout(2 * 60_000);
  for (const { directory } of releases) {
    const updated = await run('update', 'pi1', 'pi2', '--wave', '2', '--release', directory);
    t.is(updated.exitCode, 0, updated.stderr);
  }
  t.deepEqual(await answers(), ['1.0.1', '1.0.1']);
  t.is((await run('rollback', 'pi1', '--wave', 'all')).exitCode, 2);
  const plan = await shown('rollback', 'pi1', 'pi2', '--dry-run');
  t.regex(plan.stdout, /^pi1: 1\.0\.1-\w+ -> 1\.0\.0-\w+\npi2: 1\.0\.1-\w+ -> 1\.0\.0-\w+$/);
  const back = await run('rollback', ...names);
  t.is(back.exitCode, 1, back.stderr);
  t.deepEqual(outcomes(back), ['dead failed E_HOST_UNREACHABLE', 'pi1 returned', 'pi2 returned']);
  t.like((back.result['hosts'] as object[])[1], { from: releases[1]!.manifest.id, to: releases[0]!.manifest.id });
  t.regex((back.result['error'] as { remedy: string }).remedy, /`prose-ship rollback dead`/);
  t.deepEqual(await answers(), ['1.0.0', '1.0.0']);
});

test.serial('logs prints what services say, and of several hosts who says it', async (t) => {
  await answers();
  const one = await shown('logs', 'pi1', 'page', '--tail', '1');
  t.is(one.exitCode, 0, one.stderr);
  t.regex(one.stdout, /^page-1 +\| .*response:200$/);
  const several = await shown('logs', 'pi1,dead,pi2', '--tail', '1');
  t.is(several.exitCode, 1);
  t.deepEqual(several.stdout.split('\n').map((line) => /^(\w+) \| page-1 +\| .*response:200$/.exec(line)?.[1]).sort(), ['pi1', 'pi2']);
  t.regex(several.stderr, /1 of 3 hosts failed: dead/);
  const nothing = await shown('logs', 'pi1', 'nobody');
  t.not(nothing.exitCode, 0);
  t.regex(nothing.stderr, /no such service: nobody/);
});
