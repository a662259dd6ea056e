import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { findAptSources, type AptSource } from '../../../src/build/bootstrap/apt-sources.ts';
import { bootstrapBase } from '../../../src/build/bootstrap/base-layout.ts';
import { usableAptSources } from '../../../src/build/bootstrap/probe-sources.ts';
import { createContext } from '../../../src/context.ts';
import { ShipError } from '../../../src/errors.ts';
import { run } from '../../../src/host/process.ts';
import { blobPath, readLayout } from '../../../src/oci/layout.ts';
import { platformOfMachine } from '../../../src/oci/platform.ts';

/** Native, so that the tests take seconds. */
const request = {
  base: { suite: 'trixie', slim: true },
  platforms: [platformOfMachine(process.arch === 'x64' ? 'x86_64' : 'aarch64')!],
  sourceDateEpoch: 1_735_689_600,
};

async function cache(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-base-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Command lines and mounts that name this folder. */
async function traces(directory: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return [...lines, ...(await readFile('/proc/mounts', 'utf8')).split('\n')].filter((line) => line.includes(directory));
}

test.serial('a base is one uncompressed layer without anything of this machine, and is made once', async (t) => {
  const cacheDirectory = await cache(t);
  const context = createContext({ cacheDirectory });
  const made = await bootstrapBase(context, request);
  t.deepEqual(made.made, request.platforms);
  const [image] = await readLayout(made.directory);
  t.deepEqual(image?.manifest.layers.map(({ digest }) => digest), [...image!.config.rootfs.diff_ids]);
  const layer = path.join(made.directory, blobPath(image!.config.rootfs.diff_ids[0]!));
  const names = new Set((await run(context, { program: 'tar', args: ['--list', '--file', layer] })).stdout.split('\n'));
  for (const name of ['./usr/bin/apt-get', './etc/apt/sources.list.d/debian.sources', './usr/share/doc/apt/copyright']) {
    t.true(names.has(name), name);
  }
  const foreign = /^\.\/(etc\/(machine-id|hostname|resolv\.conf|apt\/sources\.list)|var\/log\/.*\.log|var\/cache\/apt\/.*\.bin|usr\/share\/(man|locale)\/.*\/.*|.*0000.*\.sources)$/;
  t.deepEqual([...names].filter((name) => foreign.test(name)), []);
  const sources = await run(context, { program: 'tar', args: ['-xOf', layer, './etc/apt/sources.list.d/debian.sources'] });
  t.regex(sources.stdout, /^Types: deb\nURIs: \S+\nSuites: trixie\nComponents: main\nSigned-By: /);

  const again = await bootstrapBase(context, request);
  t.deepEqual(again.made, []);
  t.deepEqual((await readdir(made.directory)).sort(), ['apt.sources', 'blobs', 'index.json', 'lock', 'oci-layout']);
});

test.serial('an interrupted bootstrap leaves no process, no mount and no tree', async (t) => {
  const cacheDirectory = await cache(t);
  const controller = new AbortController();
  const context = createContext({ cacheDirectory, signal: controller.signal });
  const onLine = (line: string): void => {
    if (line.includes('installing essential packages')) controller.abort();
  };
  const error = await t.throwsAsync(bootstrapBase(context, { ...request, onLine }), { instanceOf: ShipError });
  t.is(error.code, 'E_INTERRUPTED');
  t.deepEqual(await traces(cacheDirectory), []);
  const [base] = await readdir(path.join(cacheDirectory, 'bases'));
  await t.throwsAsync(access(path.join(cacheDirectory, 'bases', base!, 'making')), { code: 'ENOENT' });
});

test.serial('a suite that the mirror lacks is left out and told, the first one is not asked for', async (t) => {
  const cacheDirectory = await cache(t);
  const absent = (suite: string): AptSource => ({ uri: `file://${cacheDirectory}/mirror`, suite, components: ['main'] });
  const missing: string[] = [];
  const sources = [absent('trixie'), absent('trixie-updates')];
  const usable = await usableAptSources(createContext({ cacheDirectory }), sources, ['armhf'], ({ suite }) => missing.push(suite));
  t.deepEqual(usable, [sources[0]!]);
  t.deepEqual(missing, ['trixie-updates']);
});

test.serial('a mirror that has nothing fails with the last lines of mmdebstrap', async (t) => {
  const cacheDirectory = await cache(t);
  const environment = { ...process.env, PROSE_SHIP_DEBIAN_MIRROR: `file://${cacheDirectory}/mirror` };
  const error = await t.throwsAsync(bootstrapBase(createContext({ cacheDirectory, environment }), request), { instanceOf: ShipError });
  t.is(error.code, 'E_BOOTSTRAP_FAILED');
  t.regex(error.remedy ?? '', /PROSE_SHIP_DEBIAN_MIRROR/);
  t.truthy(error.output);
});

test.serial('what the mirror has is used, an unsigned mirror is not', async (t) => {
  const cacheDirectory = await cache(t);
  const context = createContext({ cacheDirectory });
  const [suite] = await findAptSources(context, 'trixie');
  const unsigned = { uri: `file://${cacheDirectory}/mirror`, suite: 'local', components: ['main'] };
  const indexes = path.join(cacheDirectory, 'mirror/dists/local/main/binary-armhf');
  await mkdir(indexes, { recursive: true });
  await writeFile(path.join(indexes, 'Packages'), '');
  const emptySum = createHash('sha256').digest('hex');
  await writeFile(
    path.join(cacheDirectory, 'mirror/dists/local/Release'),
    `Suite: local\nComponents: main\nArchitectures: armhf\nSHA256:\n ${emptySum} 0 main/binary-armhf/Packages\n`,
  );
  const missing: AptSource[] = [];
  const usable = await usableAptSources(context, [suite!, suite!, unsigned], ['armhf'], (source) => missing.push(source));
  t.deepEqual(usable, [suite, suite]);
  t.deepEqual(missing, [unsigned]);
});
