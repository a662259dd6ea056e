import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../src/context.ts';
import { startPrivateEngine } from '../src/host/engine/private-engine.ts';
import { run } from '../src/host/process.ts';
import type { Release } from '../src/release/read-release.ts';
import { asBytes, asRatio, asSeconds, cells, spread, type Bench, type Target } from './bench.ts';
import { smallLayer, systemLayers, writeImage } from './sample/image.ts';
import { makeRelease } from './sample/release.ts';
import { UpdateHost, type PushTimes, type Store } from './update-host.ts';

const baseBytes = 160 * 2 ** 20;
const mbitPerSecond = 100;
const stores: readonly Store[] = ['overlay2', 'containerd'];
const largestTimeRatio = 1 / 5;
/** What the changed layer costs, and what describes the release. */
const sendLimit = (zstdBytes: number) => 1.1 * zstdBytes + 64 * 1024;

/** A release and what zstd makes of the one layer in which it differs from all others. */
interface Change {
  readonly release: Release;
  readonly zstdBytes: number;
}

const methods = ['docker', 'ship', 'command'] as const;
type Method = (typeof methods)[number];
const methodTitles: Readonly<Record<Method, string>> = {
  docker: '`docker save \\| gzip \\| ssh docker load`',
  ship: 'ours, in process (`src/ship`)',
  command: 'ours, `prose-ship push` as a whole process',
};

interface Measurement {
  readonly ms: number;
  /** On the link. */
  readonly sentBytes: number;
  readonly limitBytes: number;
  readonly push?: PushTimes;
}

/** An update in which one small layer changed, over a slow link. */
export const update: Bench = {
  name: 'update',
  title: 'an update in which one small layer changed, over a slow link',
  async run({ context, scratch, runs, note }) {
    const layout = path.join(scratch, 'layout');
    await mkdir(layout);
    const base = await systemLayers(layout, baseBytes, 2);
    const makeChange = async (version: string): Promise<Change> => {
      context.signal.throwIfAborted();
      const { descriptor, zstdBytes } = await smallLayer(layout);
      return { release: await makeRelease(await writeImage(layout, [...base, descriptor]), scratch, version), zstdBytes };
    };
    note(`making ${1 + runs * methods.length} releases of an image of ${asBytes(base.reduce((sum, { size }) => sum + size, 0))} bytes`);
    const first = await makeChange('1.0.0');
    const changes = new Map<Method, Change[]>(methods.map((method) => [method, []]));
    for (let turn = 0; turn < runs; turn += 1) {
      for (const [position, method] of methods.entries()) changes.get(method)?.push(await makeChange(`1.${turn + 1}.${position}`));
    }
    const engine = await startPrivateEngine({ ...context, cacheDirectory: path.join(scratch, 'cache') });
    try {
      const dockerHost = engine.dockerHost ?? '';
      for (const change of changes.get('docker') ?? []) {
        await run(context, { program: 'docker', args: ['load', '--input', archiveOf(change.release)], env: { DOCKER_HOST: dockerHost } });
      }
      const rows: string[][] = [];
      const targets: Target[] = [];
      for (const store of stores) {
        note(`${store}: ${runs} runs of each`);
        const measured = await measureStore({ context, store, first, changes, scratch, dockerHost });
        rows.push(...rowsOf(store, measured));
        targets.push(...targetsOf(store, measured));
      }
      return {
        setup: [
          `Link: ${mbitPerSecond} Mbit/s from this machine to the host (tc tbf on a veth pair), no added delay.`,
          `Image: ${asBytes(base.reduce((sum, { size }) => sum + size, 0))} bytes of files of /usr/lib in ${base.length} layers, and a last layer of 100 KB, half random and half text, new in every run; whole archive ${asBytes(first.release.manifest.images[0]?.archive.sizeBytes ?? 0)} bytes.`,
          `Host: a throw-away host with an engine of its own that holds release 1 and keeps all later ones; ${runs} runs of each, in turns.`,
          'Time: until the image is loaded and verified on the host; nothing is started. Releases are packed, and loaded into the engine on this side, beforehand.',
          'Bytes: the counter of the link, with headers, handshakes and acknowledgements.',
        ],
        head: ['store, what', 'min', 'median', 'max'],
        rows,
        targets,
      };
    } finally {
      await engine.stop();
    }
  },
};

interface StoreInput {
  readonly context: Context;
  readonly store: Store;
  readonly first: Change;
  readonly changes: ReadonlyMap<Method, readonly Change[]>;
  readonly scratch: string;
  readonly dockerHost: string;
}

async function measureStore({ context, store, first, changes, scratch, dockerHost }: StoreInput): Promise<Map<Method, Measurement[]>> {
  const host = await UpdateHost.create(context, store);
  try {
    await host.push(first.release);
    await host.pushByCommand(first.release, scratch, ['--dry-run']); // fills the compile cache
    await host.throwaway.shapeLink({ mbitPerSecond });
    const carryOut: Record<Method, (release: Release) => Promise<PushTimes | undefined>> = {
      docker: (release) => host.saveAndLoad(imageOf(release).reference, dockerHost).then(() => undefined),
      ship: (release) => host.push(release),
      command: (release) => host.pushByCommand(release, scratch).then(() => undefined),
    };
    const measured = new Map<Method, Measurement[]>(methods.map((method) => [method, []]));
    for (let turn = 0; turn < (changes.get('docker')?.length ?? 0); turn += 1) {
      for (const method of methods) {
        context.signal.throwIfAborted();
        const { release, zstdBytes } = changes.get(method)![turn]!;
        await host.settle();
        const before = await host.sentBytes();
        const startedAt = performance.now();
        const push = await carryOut[method](release);
        const ms = performance.now() - startedAt;
        const sentBytes = (await host.sentBytes()) - before;
        await host.requireImage(imageOf(release).reference, imageOf(release).diffIds);
        measured.get(method)?.push({ ms, sentBytes, limitBytes: sendLimit(zstdBytes), ...(push ? { push } : {}) });
      }
    }
    return measured;
  } finally {
    await host.destroy();
  }
}

function rowsOf(store: Store, measured: ReadonlyMap<Method, readonly Measurement[]>): string[][] {
  const docker = measured.get('docker') ?? [];
  const rows = methods.map((method) => [
    `${store}, ${methodTitles[method]}`,
    ...cells(spread((measured.get(method) ?? []).map(({ ms }) => ms)), asSeconds),
  ]);
  const pushes = (measured.get('ship') ?? []).flatMap(({ push }) => (push ? [push] : []));
  rows.push([`${store}, of ours: upload`, ...cells(spread(pushes.map(({ uploadMs }) => uploadMs)), asSeconds)]);
  rows.push([`${store}, of ours: verify and load`, ...cells(spread(pushes.map(({ loadMs }) => loadMs)), asSeconds)]);
  for (const method of ['ship', 'command'] as const) {
    const ratios = (measured.get(method) ?? []).map(({ ms }, turn) => ms / (docker[turn]?.ms ?? Number.NaN));
    rows.push([`${store}, time ratio to docker, turn by turn: ${method}`, ...cells(spread(ratios), asRatio)]);
  }
  for (const method of methods) {
    rows.push([`${store}, bytes sent: ${method}`, ...cells(spread((measured.get(method) ?? []).map(({ sentBytes }) => sentBytes)), asBytes)]);
  }
  rows.push([`${store}, bytes of archives in our plan`, ...cells(spread(pushes.map(({ sendBytes }) => sendBytes)), asBytes)]);
  return rows;
}

function targetsOf(store: Store, measured: ReadonlyMap<Method, readonly Measurement[]>): Target[] {
  const median = (method: Method) => spread((measured.get(method) ?? []).map(({ ms }) => ms)).median;
  return (['ship', 'command'] as const).flatMap((method): Target[] => {
    // The worst run, each against its own layer.
    const worst = (measured.get(method) ?? []).toSorted((a, b) => b.sentBytes / b.limitBytes - a.sentBytes / a.limitBytes)[0];
    return [
      { name: `${store}, ${method}: time / docker's, medians`, actual: median(method) / median('docker'), limit: largestTimeRatio, format: asRatio },
      {
        name: `${store}, ${method}: bytes sent / (1.1 × zstd of the layer + 64 KiB), worst run`,
        actual: (worst?.sentBytes ?? Number.NaN) / (worst?.limitBytes ?? Number.NaN),
        limit: 1,
        format: asRatio,
      },
    ];
  });
}

function imageOf({ manifest }: Release): Release['manifest']['images'][number] {
  const [image] = manifest.images;
  if (!image) throw new Error('the release has no image');
  return image;
}

function archiveOf(release: Release): string {
  return path.join(release.directory, imageOf(release).archive.path);
}
