import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { createContext, type Context } from '../../../src/context.ts';
import { requireEmulation } from '../../../src/host/engine/emulation.ts';
import { openEngine } from '../../../src/host/engine/open-engine.ts';
import { privateEnginePaths, type PrivateEnginePaths } from '../../../src/host/engine/private-engine.ts';
import { run } from '../../../src/host/process.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';

/** A context without any running engine, and what a private one of it is made of. */
async function surroundings(t: ExecutionContext, signal?: AbortSignal): Promise<{ context: Context; paths: PrivateEnginePaths }> {
  const cacheDirectory = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-engine-'));
  const environment = { ...process.env, DOCKER_HOST: 'unix:///nonexistent/docker.sock' };
  t.teardown(() => rm(cacheDirectory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  return { context: createContext({ cacheDirectory, environment, ...(signal ? { signal } : {}) }), paths: privateEnginePaths(cacheDirectory) };
}

/** Processes that were started with this text among their arguments. */
async function processesWith(text: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const lines = await Promise.all(pids.map(async (pid) => await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes(text));
}

async function exists(file: string): Promise<boolean> {
  return await stat(file).then(() => true, () => false);
}

async function assertNothingLeft(t: ExecutionContext, paths: PrivateEnginePaths): Promise<void> {
  for (let waitedMs = 0; waitedMs < 30_000 && (await exists(paths.runDirectory)); waitedMs += 100) await delay(100);
  t.false(await exists(paths.runDirectory));
  t.false(await exists(`/sys/class/net/${paths.bridgeName}`));
  for (let waitedMs = 0; waitedMs < 30_000 && (await processesWith(paths.runDirectory)).length > 0; waitedMs += 100) await delay(100);
  t.deepEqual(await processesWith(paths.runDirectory), []);
  t.deepEqual(await processesWith(paths.configFile), []);
  const rules = await run(createContext(), { program: 'iptables-save', args: [] });
  t.false(rules.stdout.includes(paths.bridgeName));
  t.true(await exists(paths.dataDirectory), 'the cache stays for the next run');
}

test.serial('a private engine builds an OCI layout and ends without a trace', async (t) => {
  const { context, paths } = await surroundings(t);
  const engine = await openEngine(context, { allowPrivate: true });
  t.teardown(() => engine.stop());
  t.like(engine, { isPrivate: true, imageStore: 'containerd', dockerHost: `unix://${paths.socketFile}` });
  const folder = path.join(context.cacheDirectory, 'build');
  await run(context, { program: 'mkdir', args: [folder] });
  await writeFile(path.join(folder, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n');
  const output = path.join(context.cacheDirectory, 'image.tar');
  const args = ['buildx', 'build', '--platform=linux/arm/v7,linux/arm64', `--output=type=oci,dest=${output}`, folder];
  await run(context, { program: 'docker', args, env: { DOCKER_HOST: engine.dockerHost! } });
  t.true((await stat(output)).size > 1000);
  await engine.stop();
  await assertNothingLeft(t, paths);
});

test.serial('two users share one engine, which ends with the second', async (t) => {
  const { context, paths } = await surroundings(t);
  const [one, other] = await Promise.all([openEngine(context, { allowPrivate: true }), openEngine(context, { allowPrivate: true })]);
  t.is(one.dockerHost, other.dockerHost);
  await one.stop();
  const info = await run(context, { program: 'docker', args: ['--host', other.dockerHost!, 'version'] });
  t.is(info.exitCode, 0);
  await other.stop();
  await assertNothingLeft(t, paths);
});

test.serial('it ends when its user is killed', async (t) => {
  const { context, paths } = await surroundings(t);
  const user = spawn(process.execPath, [path.resolve(import.meta.dirname, '../../support/hosts/engine-user.ts'), context.cacheDirectory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => user.kill('SIGKILL'));
  const [line] = (await once(user.stdout, 'data')) as [Buffer];
  t.is(line.toString().trim(), `unix://${paths.socketFile}`);
  t.true((await processesWith(paths.configFile)).length > 0);
  user.kill('SIGKILL');
  await assertNothingLeft(t, paths);
});

test.serial('it ends on Ctrl-C, and the data serve the next run', async (t) => {
  const controller = new AbortController();
  const { context, paths } = await surroundings(t, controller.signal);
  const engine = await openEngine(context, { allowPrivate: true });
  controller.abort();
  await engine.stop();
  await assertNothingLeft(t, paths);
  const again = await openEngine({ ...context, signal: new AbortController().signal }, { allowPrivate: true });
  t.is(again.dockerHost, engine.dockerHost);
  await again.stop();
  await assertNothingLeft(t, paths);
});

test.serial('Ctrl-C while it starts leaves nothing', async (t) => {
  const controller = new AbortController();
  const { context, paths } = await surroundings(t, controller.signal);
  const opening = openEngine(context, { allowPrivate: true });
  for (let waitedMs = 0; waitedMs < 10_000 && !(await exists(paths.runDirectory)); waitedMs += 20) await delay(20);
  t.true(await exists(paths.runDirectory));
  controller.abort();
  await t.throwsAsync(opening);
  for (let waitedMs = 0; waitedMs < 30_000 && (await processesWith(paths.runDirectory)).length > 0; waitedMs += 100) await delay(100);
  t.deepEqual(await processesWith(paths.runDirectory), []);
  t.false(await exists(`/sys/class/net/${paths.bridgeName}`));
});

test.serial('an engine that cannot start says why', async (t) => {
  const { context, paths } = await surroundings(t);
  // A file where the data folder should be.
  await run(context, { program: 'mkdir', args: [path.join(context.cacheDirectory, 'engine')] });
  await writeFile(paths.dataDirectory, '');
  const error = await t.throwsAsync(openEngine(context, { allowPrivate: true }));
  t.like(error, { code: 'E_ENGINE_START_FAILED', exitStatus: 3 });
  t.regex((error as unknown as { output: string }).output, /canonical path points to a file/);
  await assertNothingLeft(t, paths);
});

test.serial('without leave to start one, a missing engine is an error', async (t) => {
  const { context } = await surroundings(t);
  await t.throwsAsync(openEngine(context, { allowPrivate: false }), { code: 'E_ENGINE_NOT_RUNNING' } as never);
});

test.serial('build steps for both ARM platforms can run here, for another one they cannot', async (t) => {
  const { context } = await surroundings(t);
  await t.notThrowsAsync(requireEmulation(context, [parsePlatform('linux/arm/v7')!, parsePlatform('linux/arm64')!]));
  await t.throwsAsync(requireEmulation(context, [parsePlatform('linux/s390x')!]), { code: 'E_EMULATION_MISSING' } as never);
});
