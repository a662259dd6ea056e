import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const execute = promisify(execFile);
const directory = path.resolve(import.meta.dirname, '../../dockerfiles/prose-pod');

interface Stage {
  /** `FROM` and all that follows. */
  readonly text: string;
  readonly name: string;
  readonly isNative: boolean;
}

async function stagesOf(name: string): Promise<Stage[]> {
  const text = await readFile(path.join(directory, `${name}.Dockerfile`), 'utf8');
  return text
    .split(/^(?=FROM )/m)
    .slice(1)
    .map((one) => ({ text: one, name: /^FROM .*\bAS (\S+)/.exec(one)?.[1] ?? '', isNative: /^FROM --platform=\$BUILDPLATFORM /.test(one) }));
}

/** The scripts that `RUN` and `COPY` take from the Dockerfile itself, by the word that ends them. */
async function scriptsOf(name: string): Promise<{ word: string; text: string }[]> {
  const text = await readFile(path.join(directory, `${name}.Dockerfile`), 'utf8');
  return [...text.matchAll(/^(?:RUN|COPY)\b[^\n]*<<'(\w+)'[^\n]*\n([\s\S]*?)^\1$/gm)].map((match) => ({ word: match[1]!, text: match[2]! }));
}

test('what compiles or bundles runs on the machine that builds, in every stage and nowhere else', async (t) => {
  const compilers = /\bcargo build\b|\brustup\b|BUILD_COMMAND|\binstall\b.*\bgcc\b|\bapt-get\b.*\b(?:cargo|nodejs)\b/;
  for (const [name, expected] of [['rust', ['tools', 'rust-debian', 'rust-rustup', 'cross', 'compile']], ['static', ['node-debian', 'build']]] as const) {
    const stages = await stagesOf(name);
    const compiling = stages.filter(({ text }) => compilers.test(text.replaceAll('\\\n', ' ')));
    for (const stage of expected) t.true(compiling.some((one) => one.name === stage), stage);
    t.deepEqual(compiling.filter(({ isNative }) => !isNative).map((one) => one.name), []);
  }
});

test('the static files do not depend on the platform, so they are built once', async (t) => {
  for (const { name, isNative, text } of await stagesOf('static')) if (isNative) t.notRegex(text, /\bTARGET(?:ARCH|PLATFORM|VARIANT|OS)\b/, name);
});

test('the arguments of a version are there, and a build without VERSION fails', async (t) => {
  const stages = new Map((await stagesOf('rust')).map(({ name, text }) => [name, text]));
  for (const argument of ['VERSION', 'COMMIT=', 'BUILD_TIMESTAMP=', 'CARGO_PROFILE=release', 'CARGO_INSTALL_EXTRA_ARGS=--locked']) {
    t.regex(stages.get('compile')!, new RegExp(`^ARG ${argument}$`, 'm'));
  }
  for (const name of ['compile', 'collect']) t.regex(stages.get(name)!, /\$\{VERSION:\?\}/);
});

test('shellcheck has nothing to say about the scripts inside the Dockerfiles', async (t) => {
  const folder = await temporaryDirectory('scripts');
  for (const name of ['rust', 'static']) {
    const scripts = (await scriptsOf(name)).filter(({ word }) => word !== 'NGINX');
    t.true(scripts.length > 2);
    for (const [index, { word, text }] of scripts.entries()) {
      const file = path.join(folder, `${name}-${index}-${word}`);
      const shell = text.startsWith('#!/bin/bash') ? 'bash' : 'sh';
      await writeFile(file, text);
      // Variables come from ARG (2154), some of them are lists (2086), and /cross.env is made elsewhere (1091).
      const { stdout } = await execute('shellcheck', [`--shell=${shell}`, '--exclude=SC2154,SC2086,SC1091', file]).catch((error: unknown) => error as { stdout: string });
      t.is(stdout, '', word);
    }
  }
});

/** Runs the entrypoint of both services as it is in the Dockerfile. */
async function enter(t: ExecutionContext, { env = {}, environment, secrets = {} }: { env?: Record<string, string>; environment?: string; secrets?: Record<string, string> }, command: string) {
  const folder = await temporaryDirectory('entrypoint');
  const script = (await scriptsOf('rust')).find(({ word }) => word === 'ENTRYPOINT');
  t.truthy(script);
  await writeFile(path.join(folder, 'entrypoint'), script!.text);
  if (environment !== undefined) await writeFile(path.join(folder, 'prose.env'), environment);
  await mkdir(path.join(folder, 'secrets'));
  for (const [name, value] of Object.entries(secrets)) await writeFile(path.join(folder, 'secrets', name), value);
  const places = { PROSE_SHIP_ENVIRONMENT: path.join(folder, 'prose.env'), PROSE_SHIP_SECRETS: path.join(folder, 'secrets'), PROSE_SHIP_CERTIFICATES: path.join(folder, 'certs') };
  const result = await execute('dash', [path.join(folder, 'entrypoint'), 'sh', '-c', command], { env: { PATH: process.env['PATH'] ?? '', FOLDER: folder, ...places, ...env } }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: unknown) => error as { code: number; stdout: string; stderr: string },
  );
  return { ...result, folder };
}

test('the entrypoint takes prose.env as systemd reads it, and secrets from files', async (t) => {
  const environment = '# a comment\n; another\n\nPROSE_A__B="a \\"b\\" \\\\ c=d"\nRUST_LOG=info,sqlx=warn';
  const command = 'printf "%s|%s|%s" "$PROSE_A__B" "$RUST_LOG" "$PROSE_X"';
  const { code, stdout } = await enter(t, { environment, secrets: { PROSE_X: "it's $secret\n" } }, command);
  t.is(code, 0);
  t.is(stdout, 'a "b" \\ c=d|info,sqlx=warn|it\'s $secret');
});

test('the entrypoint refuses what systemd would: export, and names that are none', async (t) => {
  for (const environment of ['export A=b\n', 'nonsense\n', '1A=b\n']) {
    const { code, stderr } = await enter(t, { environment }, 'echo reached');
    t.is(code, 1);
    t.regex(stderr, /is not (NAME=VALUE|the name of an environment variable)/);
  }
});

test('the entrypoint makes the database, readable by its group, and keeps one that is there', async (t) => {
  const folder = await temporaryDirectory('database');
  const database = path.join(folder, 'database.sqlite');
  t.is((await enter(t, { env: { PROSE_SHIP_DATABASE: database } }, 'true')).code, 0);
  t.is((await stat(database)).mode & 0o777, 0o640);
  await writeFile(database, 'data');
  t.is((await enter(t, { env: { PROSE_SHIP_DATABASE: database } }, 'true')).code, 0);
  t.is(await readFile(database, 'utf8'), 'data');
});

test('one self-signed certificate covers all domains and lies where a real one will', async (t) => {
  const { folder, code } = await enter(t, { env: { PROSE_SHIP_DOMAINS: 'example.org groups.example.org' } }, 'true');
  t.is(code, 0);
  const place = path.join(folder, 'certs/example.org');
  t.deepEqual((await readdir(place)).sort(), ['fullchain.pem', 'privkey.pem']);
  t.is(new X509Certificate(await readFile(path.join(place, 'fullchain.pem'))).subjectAltName, 'DNS:example.org, DNS:groups.example.org');
  t.is((await stat(path.join(place, 'privkey.pem'))).mode & 0o007, 0);
  const bad = await enter(t, { env: { PROSE_SHIP_DOMAINS: '../x' } }, 'true');
  t.is(bad.code, 1);
  t.regex(bad.stderr, /'\.\.\/x' is not a domain name/);
});
