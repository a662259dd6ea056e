import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { buildFailure } from '../../src/build/failure.ts';
import { BuildProgress } from '../../src/build/progress.ts';
import { parsePlatform } from '../../src/oci/platform.ts';

/** Output of buildx 0.13.1 with engine 26.1.5, captured from real builds. */
async function replay(name: string): Promise<BuildProgress> {
  const progress = new BuildProgress();
  const text = await readFile(path.join(import.meta.dirname, '../fixtures/build', name), 'utf8');
  for (const line of text.split('\n')) progress.accept(line);
  return progress;
}

const build = { dockerfile: '/recipe/Dockerfile', platforms: [parsePlatform('linux/arm/v7')!] };

test('a failing RUN is named with its platform and its last lines', async (t) => {
  const progress = await replay('failing-run.txt');
  const error = buildFailure('server', build, progress, new Error('exit status 1'));
  t.is(error.code, 'E_BUILD_FAILED');
  t.is(error.exitStatus, 1);
  t.is(
    error.message,
    "Building 'server' for linux/arm/v7 failed in the step [linux/arm/v7 two 2/2] RUN --mount=type=secret,id=tok echo one; echo two >&2; ls /nonexistent; exit 7: " +
      'process "/bin/sh -c echo one; echo two >&2; ls /nonexistent; exit 7" did not complete successfully: exit code: 7',
  );
  t.is(error.output, "one\ntwo\nls: cannot access '/nonexistent': No such file or directory");
  t.deepEqual(error.place, { file: '/recipe/Dockerfile' });
  t.regex(error.remedy ?? '', /^Correct the Dockerfile/);
});

test('a COPY of something that is not there says where to look', async (t) => {
  const error = buildFailure('server', build, await replay('missing-copy-source.txt'), new Error('exit status 1'));
  t.regex(error.message, /^Building 'server' for linux\/arm\/v7 failed in the step \[1\/2\] COPY nothing \/x: .*"\/nothing": not found$/);
  t.regex(error.remedy ?? '', /\.dockerignore/);
});

test('a Dockerfile that cannot be parsed has no step, but a line', async (t) => {
  const error = buildFailure('server', build, await replay('syntax-error.txt'), new Error('exit status 1'));
  t.is(
    error.message,
    "Building 'server' for linux/arm/v7 failed: dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)",
  );
});

test('a base that cannot be fetched leads to --bases', async (t) => {
  const error = buildFailure('server', build, await replay('base-unreachable.txt'), new Error('exit status 1'));
  t.regex(error.message, /failed to resolve source metadata for/);
  t.regex(error.remedy ?? '', /--bases bootstrap/);
});

test('a platform that cannot be run leads to doctor', (t) => {
  const progress = new BuildProgress();
  for (const line of ['#5 [linux/arm64 2/2] RUN true', '#5 0.1 exec /bin/sh: exec format error', '#5 ERROR: exit code: 1']) progress.accept(line);
  t.regex(buildFailure('server', build, progress, undefined).remedy ?? '', /doctor --fix/);
});

test('cached instructions are counted, the base is not one', async (t) => {
  t.deepEqual((await replay('cached.txt')).counts(), { instructions: 4, cached: 4 });
  t.deepEqual((await replay('failing-run.txt')).counts(), { instructions: 4, cached: 0 });
});

test('a cross build belongs to the platform it builds for', (t) => {
  const progress = new BuildProgress();
  t.is(progress.accept('#4 [linux/amd64->arm/v7 build 2/9] RUN make')?.platform, 'linux/arm/v7');
  t.is(progress.accept('#5 [linux/amd64 build 2/9] RUN make')?.platform, 'linux/amd64');
  t.is(progress.accept('#6 [build 2/9] RUN make')?.platform, undefined);
});

test('only the last lines of a step are kept', (t) => {
  const progress = new BuildProgress();
  const step = progress.accept('#4 [2/2] RUN seq 100');
  for (let line = 1; line <= 100; line++) progress.accept(`#4 0.${line} ${line}`);
  t.is(step?.lines.length, 20);
  t.is(step?.lines.at(-1), '100');
});
