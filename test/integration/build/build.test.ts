import { copyFile, mkdtemp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import anyTest, { type TestFn } from 'ava';
import { buildTasks, type BuiltImage } from '../../../src/build/build.ts';
import { buildSecrets, planBuild, type BuildOptions } from '../../../src/build/plan.ts';
import { createContext, type Context } from '../../../src/context.ts';
import { ShipError } from '../../../src/errors.ts';
import type { ShipEvent } from '../../../src/events.ts';
import type { Engine } from '../../../src/host/engine/engine.ts';
import { openEngine } from '../../../src/host/engine/open-engine.ts';
import { run } from '../../../src/host/process.ts';
import { readLayout } from '../../../src/oci/layout.ts';
import { formatPlatform, parsePlatform, platformOfMachine } from '../../../src/oci/platform.ts';
import { Secret } from '../../../src/secret.ts';
import type { Component } from '../../../src/site/model.ts';
import { runTasks } from '../../../src/tasks.ts';
import { sampleComponent, sampleDeployment } from '../../build/sample-deployment.ts';
import { staticBusybox } from '../../device/busybox.ts';

interface Surroundings {
  engine: Engine;
  directory: string;
}

const test = anyTest as TestFn<Surroundings>;
const surroundings: Partial<Surroundings> = {};

test.before(async () => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-build-'));
  surroundings.directory = directory;
  const environment = { ...process.env, DOCKER_HOST: 'unix:///nonexistent/docker.sock' };
  surroundings.engine = await openEngine(createContext({ cacheDirectory: directory, environment }), { allowPrivate: true });
});

test.after.always(async () => {
  await surroundings.engine?.stop();
  if (surroundings.directory) await rm(surroundings.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

test.beforeEach((t) => {
  t.context = surroundings as Surroundings;
});

interface Outcome {
  readonly images: readonly BuiltImage[];
  readonly events: readonly ShipEvent[];
  readonly context: Context;
  readonly error?: unknown;
}

/** Builds one component, whose context holds these files, on this machine's own platform or the sample's two. */
async function build(
  { engine, directory }: Surroundings,
  files: Readonly<Record<string, string>>,
  changes: Partial<Component> & { readonly native?: boolean; readonly platform?: string; readonly engine?: Partial<Engine> } = {},
  options: Partial<BuildOptions> = {},
): Promise<Outcome> {
  const { native = false, platform, engine: engineChanges = {}, ...componentChanges } = changes;
  const folder = await mkdtemp(path.join(directory, 'context-'));
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(folder, name), content);
  if (native) await copyFile(await staticBusybox(), path.join(folder, 'busybox'));
  const source = { kind: 'local', directory: folder } as const;
  const component = sampleComponent({ source, dockerfile: path.join(folder, 'Dockerfile'), ...componentChanges });
  const sample = sampleDeployment([component]);
  const only = native ? platformOfMachine(process.arch === 'x64' ? 'x86_64' : 'aarch64') : platform && parsePlatform(platform);
  const deployment = only ? { ...sample, site: { ...sample.site, platforms: [only] } } : sample;
  const plan = planBuild(deployment, { outputDirectory: path.join(folder, 'out'), environment: {}, ...options });
  const events: ShipEvent[] = [];
  const images: BuiltImage[] = [];
  const context = createContext({ cacheDirectory: directory, emit: (event) => events.push(event) });
  try {
    await runTasks(
      context,
      buildTasks(context, plan, { ...engine, ...engineChanges }, { secrets: buildSecrets(deployment), onImage: (image) => images.push(image) }),
    );
    return { images, events, context };
  } catch (error) {
    return { images, events, context, error };
  }
}

function detailOf(events: readonly ShipEvent[], id: string): string | undefined {
  return events.flatMap((event) => (event.type === 'task' && event.id === id ? [event.detail] : [])).at(-1);
}

const hello = { Dockerfile: 'FROM scratch\nCOPY hello /hello\nCOPY hello /again\n', hello: 'hello\n' };

test.serial('both platforms come out of one build as uncompressed layers; again it is cached and the same', async (t) => {
  const first = await build(t.context, hello);
  t.is(first.error, undefined);
  t.deepEqual(first.images.map(({ platform }) => formatPlatform(platform)), ['linux/arm/v7', 'linux/arm64']);
  const layout = await readLayout(first.images[0]!.layoutDirectory);
  for (const image of layout) {
    t.deepEqual(image.manifest.layers.map(({ digest }) => digest), [...image.config.rootfs.diff_ids]);
    t.is(image.config.created, '2025-01-01T00:00:00Z');
  }
  t.deepEqual(layout[0]?.config.rootfs.diff_ids, layout[1]?.config.rootfs.diff_ids);

  const second = await build(t.context, hello);
  t.is(detailOf(second.events, 'build:web'), 'cached');
  const third = await build(t.context, hello, {}, { noCache: true });
  t.not(detailOf(third.events, 'build:web'), 'cached');
  for (const { images } of [second, third]) {
    t.deepEqual(images.map(({ manifestDigest }) => manifestDigest), first.images.map(({ manifestDigest }) => manifestDigest));
  }
});

test.serial('a failing step is named with its last lines, and no layout is left', async (t) => {
  const Dockerfile = 'FROM scratch\nCOPY busybox /bin/sh\nRUN echo before >&2; echo the reason >&2; exit 3\n';
  const { error, images } = await build(t.context, { Dockerfile }, { native: true });
  t.true(error instanceof ShipError && error.code === 'E_BUILD_FAILED', String(error));
  const failure = error as ShipError;
  t.regex(failure.message, /^Building 'web' for linux\/\S+ failed in the step \[2\/2\] RUN echo before .* exit code: 3$/);
  t.is(failure.output, 'before\nthe reason');
  t.deepEqual(images, []);
  t.deepEqual(await readdir(path.join(path.dirname(failure.place!.file), 'out')), []);
});

test.serial('a build secret reaches its step and nothing else', async (t) => {
  const value = 'correct horse battery staple';
  const Dockerfile = [
    'FROM scratch',
    'COPY busybox /bin/sh',
    'COPY busybox /bin/busybox',
    'RUN --mount=type=secret,id=token busybox wc -c </run/secrets/token >/size; busybox cat /run/secrets/token',
  ].join('\n');
  const { error, events, images } = await build(t.context, { Dockerfile }, { native: true, secrets: { token: new Secret(value) } });
  t.is(error, undefined);
  const text = JSON.stringify(events);
  t.true(text.includes('[secret]'), 'the step printed it');
  t.false(text.includes(value));
  t.regex(text, /--secret id=token,src=/);
  const blobs = path.join(images[0]!.layoutDirectory, 'blobs/sha256');
  const contents = await Promise.all((await readdir(blobs)).map(async (name) => await readFile(path.join(blobs, name))));
  t.true(contents.some((content) => content.includes(`${String(value.length)}\n`)));
  t.false(contents.some((content) => content.includes(value)));
});

test.serial('what is missing is found before anything is built', async (t) => {
  const gone = path.join(t.context.directory, 'gone');
  for (const [code, changes] of [
    ['E_DOCKERFILE_MISSING', { dockerfile: gone }],
    ['E_SOURCE_MISSING', { source: { kind: 'local', directory: gone } }],
  ] as const) {
    const { error, events } = await build(t.context, hello, changes);
    t.true(error instanceof ShipError);
    t.like(error, { code, exitStatus: 3 });
    t.true((error as ShipError).message.includes(gone));
    t.false(JSON.stringify(events).includes('buildx build'));
  }
  const emulation = await build(t.context, hello, { platform: 'linux/mips64le' });
  t.like(emulation.error, { code: 'E_EMULATION_MISSING', exitStatus: 3 });
  t.false(JSON.stringify(emulation.events).includes('buildx build'));
  const { error } = await build(t.context, hello, { bases: ['example.invalid/nothing:1'] });
  t.like(error, { code: 'E_BASE_UNAVAILABLE', exitStatus: 3 });
});

test.serial('a layer cache in a folder makes a build of an engine that has forgotten it cached', async (t) => {
  const cache = path.join(t.context.directory, 'layer-cache');
  const files = { ...hello, hello: 'something else\n' };
  t.is((await build(t.context, files, {}, { cacheFrom: cache, cacheTo: cache })).error, undefined);
  const { dockerHost } = t.context.engine;
  await run(createContext(), { program: 'docker', args: ['buildx', 'prune', '--all', '--force'], env: { DOCKER_HOST: dockerHost! } });
  t.is(detailOf((await build(t.context, files, {}, { cacheFrom: cache })).events, 'build:web'), 'cached');
});

test.serial('an engine that exports no layouts gives the same shape by docker save', async (t) => {
  // The containerd store saves in the same form; what is proven here is the way through load, save and the merge.
  const { error, images, events } = await build(t.context, hello, { engine: { imageStore: 'graphdriver' } });
  t.is(error, undefined);
  t.deepEqual(images.map(({ platform }) => formatPlatform(platform)), ['linux/arm/v7', 'linux/arm64']);
  const layout = await readLayout(images[0]!.layoutDirectory);
  t.deepEqual(layout.map(({ config }) => config.rootfs.diff_ids.length), [2, 2]);
  t.true(events.some((event) => event.type === 'log' && event.level === 'warning' && event.message.includes('docker save')));
  const left = await run(createContext(), { program: 'docker', args: ['images', '--quiet'], env: { DOCKER_HOST: t.context.engine.dockerHost! } });
  t.is(left.stdout, '');
});

test.serial('interrupted, a build ends and leaves nothing half-written', async (t) => {
  const folder = await mkdtemp(path.join(t.context.directory, 'slow-'));
  await mkdir(path.join(folder, 'context'));
  await copyFile(await staticBusybox(), path.join(folder, 'context/sh'));
  await writeFile(path.join(folder, 'Dockerfile'), 'FROM scratch\nCOPY sh /bin/sh\nCOPY sh /bin/sleep\nRUN sleep 60\n');
  const component = sampleComponent({ source: { kind: 'local', directory: path.join(folder, 'context') }, dockerfile: path.join(folder, 'Dockerfile') });
  const sample = sampleDeployment([component]);
  const deployment = { ...sample, site: { ...sample.site, platforms: [platformOfMachine(process.arch === 'x64' ? 'x86_64' : 'aarch64')!] } };
  const controller = new AbortController();
  const context = createContext({
    cacheDirectory: t.context.directory,
    signal: controller.signal,
    emit: (event) => event.type === 'log' && event.message.includes('RUN sleep') && controller.abort(),
  });
  const plan = planBuild(deployment, { outputDirectory: path.join(folder, 'out'), environment: {} });
  await t.throwsAsync(runTasks(context, buildTasks(context, plan, t.context.engine)), { code: 'E_INTERRUPTED' });
  t.deepEqual(await readdir(path.join(folder, 'out')), []);
});
