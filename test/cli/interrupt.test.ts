import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { goodSite } from '../site/temporary-site.ts';
import { entry, node } from '../support/command-line.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { jsonLines, proseShip } from './prose-ship.ts';

const slowDocker = path.resolve(import.meta.dirname, '../fixtures/cli/slow-docker');

/** A build that is under way in an engine that takes a minute for it. */
async function startBuild(t: ExecutionContext, args: readonly string[] = [], environment: Record<string, string> = {}) {
  const cwd = await temporaryDirectory('cli');
  await writeFile(path.join(cwd, 'prose-ship.yaml'), goodSite);
  const log = path.join(cwd, 'log');
  const child = proseShip(['build', '--bases', 'registry', ...args], {
    cwd,
    environment: { PATH: `${slowDocker}:${process.env['PATH'] ?? ''}`, SLOW_DOCKER_LOG: log, PROSE_SHIP_CACHE: path.join(cwd, 'cache'), ...environment },
  });
  const processId = await untilLogged(t, log);
  t.teardown(() => {
    if (isAlive(processId)) process.kill(processId, 'SIGKILL');
  });
  return { cwd, child, processId };
}

test('on a terminal Ctrl-C stops the living list where it is, says so once, and gives the cursor back', async (t) => {
  const cwd = await temporaryDirectory('cli');
  await writeFile(path.join(cwd, 'prose-ship.yaml'), goodSite);
  const log = path.join(cwd, 'log');
  // script(1) of util-linux makes the terminal; what it is sent is what is typed there.
  const child = execa('script', ['--quiet', '--return', '--command', `stty cols 80 rows 24; exec ${node} ${entry} build --bases registry`, '/dev/null'], {
    cwd,
    reject: false,
    timeout: 60_000,
    stdin: 'pipe',
    env: { CI: '', TERM: 'xterm', PATH: `${slowDocker}:${process.env['PATH'] ?? ''}`, SLOW_DOCKER_LOG: log, PROSE_SHIP_CACHE: path.join(cwd, 'cache') },
  });
  await untilLogged(t, log);
  await delay(300);
  child.stdin.write('\u0003');
  const { exitCode, stdout } = await child;
  t.is(exitCode, 130, stdout);
  t.regex(stdout, /Build server/);
  t.is(stdout.split('E_INTERRUPTED').length, 2, 'said once');
  t.true(stdout.lastIndexOf('\u001B[?25h') > stdout.lastIndexOf('\u001B[?25l'));
  t.regex(stripVTControlCharacters(stdout).replaceAll('\r', ''), /Build server[^\n]*\n[^\n]*Archive server[^\n]*\nerror: Interrupted[^\n]*\n*$/);
});

async function untilLogged(t: ExecutionContext, log: string): Promise<number> {
  for (let tries = 0; tries < 600; tries++) {
    const text = existsSync(log) ? await readFile(log, 'utf8') : '';
    if (text.endsWith('\n')) return Number(text.trim());
    await delay(50);
  }
  return t.fail('the build did not begin');
}

function isAlive(processId: number): boolean {
  try {
    return process.kill(processId, 0);
  } catch {
    return false;
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} ends a build and its children with exit status 130, and leaves nothing half-made`, async (t) => {
    const { cwd, child, processId } = await startBuild(t);
    child.kill(signal);
    const { exitCode, stdout, stderr } = await child;
    t.is(exitCode, 130, stderr);
    t.is(stdout, '');
    t.regex(stderr, new RegExp(`${signal}: stopping cleanly`));
    t.is(stderr.split('E_INTERRUPTED').length, 2, 'said once');
    t.false(isAlive(processId), 'the builder has ended');
    const left = await readdir(cwd, { recursive: true });
    t.deepEqual(left.filter((name) => /\.tmp\b|\.tar/.test(name)), []);
  });
}

test('with --json an interruption is the last line of standard output', async (t) => {
  const { child } = await startBuild(t, ['--json']);
  child.kill('SIGINT');
  const { exitCode, stdout } = await child;
  t.is(exitCode, 130);
  t.like(jsonLines(t, stdout).at(-1), { type: 'result', ok: false, error: { code: 'E_INTERRUPTED' } });
});

test('a second Ctrl-C does not wait for a child that will not end', async (t) => {
  const { child } = await startBuild(t, [], { SLOW_DOCKER_IS_DEAF: '1' });
  child.kill('SIGINT');
  while (!String(await once(child.stderr, 'data')).includes('stopping cleanly'));
  t.is(await Promise.race([delay(300, 'waits'), child.then(() => 'ended')]), 'waits', 'the first one is patient');
  const startedAt = performance.now();
  child.kill('SIGINT');
  const { exitCode, signal } = await child;
  t.is(exitCode, 130, `ended by ${String(signal)}`);
  t.true(performance.now() - startedAt < 20_000, 'the builder would take a minute');
});
