import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { pack } from 'tar-stream';
import { deviceFiles, devicePaths, userPaths } from '../../../../src/device/files.ts';
import { readRun, type Run } from '../../../device/device.ts';
import { createThrowawayHost, type ThrowawayHost } from '../../../support/hosts/throwaway-host.ts';

/** The updater in an account without root and without an engine, with images made of a few programs of this machine. */
const root = `/home/anna/${userPaths.stateDirectory}`;
const updater = `${root}/lib/updater`;
let host: ThrowawayHost;

type Entry = readonly [name: string, content: string | Buffer, mode?: number];

interface Sample {
  readonly version: string;
  /** The upper layer; the lower one is the same in all. */
  readonly upper: readonly Entry[];
  /** Further lines of the plan, in place of what makes the service run well. */
  readonly command?: string;
  readonly plan?: string;
  readonly damaged?: boolean;
}

/** Runs `serve` out of the tree for good; every other command as it is. */
const entrypoint = `[ "$1" != serve ] || exec "$PROSE_SHIP_LOADER" --inhibit-cache --library-path "$PROSE_SHIP_LIBRARY_PATH" "$PROSE_SHIP_TREE/usr/bin/sleep" 3600
exec "$@"
`;

test.before(async (t) => {
  t.timeout(5 * 60_000);
  host = await createThrowawayHost({ engine: false });
  await host.addUser('anna');
  for (const { source, target } of deviceFiles().filter(({ target: one }) => one !== devicePaths.unit)) {
    const laid = path.join(host.root, target.replace(devicePaths.libraryDirectory, `${root}/lib`));
    await mkdir(path.dirname(laid), { recursive: true });
    await cp(source, laid);
    await chmod(laid, 0o755);
  }
  await host.exec(`mkdir -p ${root}/settings ${root}/incoming && echo none >${root}/settings/engine && chown -R anna /home/anna && chmod 700 ${root}`);
});

test.after.always(async () => {
  await (host as ThrowawayHost | undefined)?.destroy();
});

async function asAnna(command: string): Promise<Run> {
  const { exitCode, stdout, stderr } = await host.exec(['su', '-', 'anna', '-c', command], { timeoutMs: 180_000 });
  return readRun(exitCode, stdout, stderr);
}

async function output(command: string): Promise<string> {
  return (await host.exec(command)).stdout.trim();
}

async function rollout(sample: Sample): Promise<Run & { id: string }> {
  const id = await upload(sample);
  return { ...(await asAnna(`${updater} rollout ${id}`)), id };
}

async function upload({ version, upper, command = 'serve', plan = 'engine\tnone\n', damaged = false }: Sample): Promise<string> {
  const layers = [await tar(await lowerLayer()), await tar(upper)];
  const diffIds = layers.map((layer) => `sha256:${sha256(layer)}`);
  const config = JSON.stringify({ rootfs: { type: 'layers', diff_ids: diffIds } });
  const blobs = [...layers, Buffer.from(config)].map((blob): Entry => [`blobs/sha256/${sha256(blob)}`, damaged ? blob.subarray(1) : blob]);
  const id = `${version}-${sha256(`${config}${command}${plan}`).slice(0, 12)}`;
  const fileHash = sha256(entrypoint).slice(0, 12);
  const lines = [
    ['format', '1'], ['id', id], ['name', 'sample'], ['version', version],
    ['image', 'web', `sample/web:${sha256(config).slice(0, 12)}`, `sha256:${sha256(config)}`, diffIds.join(',')],
    ['sample', 'web', 'usr/share/version', String(version.length), sha256(version)],
    ['file', fileHash, 'run.sh', '0644', '0', '0'],
    ['service', 'web', 'web'],
    ['probe', 'web', 'command', 'sh', '-c', `grep -qx ${version} "$PROSE_SHIP_TREE/usr/share/version" && test -d "$PROSE_SHIP_SERVICE/volumes/data/"`],
    ['gate', '8', '1'], ['data', '1', 'data'],
    ['process', 'web', fileHash, 'run.sh', '5'], ['process-command', 'web', command],
  ];
  const files = new Map<string, string | Buffer>([
    ['plans/linux-amd64.plan', `${lines.map((fields) => `${fields.join('\t')}\n`).join('')}${plan}`],
    ['compose.yaml', 'services: {}\n'], ['release.json', '{}\n'], [`files/${fileHash}/run.sh`, entrypoint],
  ]);
  const archive = gzipSync(await tar(blobs), { level: 1 });
  const sums = (entries: Iterable<readonly [string, string | Buffer]>) => [...entries].map(([name, content]) => `${sha256(content)}  ${name}\n`).join('');
  const target = path.join(host.root, root, 'incoming', id);
  const all = [...files, ['images/web.tar.gz', archive], ['UPLOAD.sha256', sums([['images/web.tar.gz', archive]])], ['SHA256SUMS', sums(files)], ['platform', 'linux-amd64\n']] as const;
  for (const [name, content] of all) {
    await mkdir(path.dirname(path.join(target, name)), { recursive: true });
    await writeFile(path.join(target, name), content);
  }
  await host.exec(`chown -R anna ${root}/incoming`);
  return id;
}

async function lowerLayer(): Promise<Entry[]> {
  const folder = '/usr/lib/x86_64-linux-gnu';
  const programs = await Promise.all([`${folder}/ld-linux-x86-64.so.2`, `${folder}/libc.so.6`, '/usr/bin/env', '/usr/bin/sleep'].map(async (file): Promise<Entry> => [file.slice(1), await readFile(file), 0o755]));
  return [...programs, ['usr/share/gone', 'of the lower layer'], ['usr/share/whole/old', 'of the lower layer'], ['usr/share/version', 'lower']];
}

async function tar(entries: readonly Entry[]): Promise<Buffer> {
  const stream = pack();
  for (const [name, content, mode = 0o644] of entries) stream.entry({ name, mtime: new Date(0), mode, uid: 0, gid: 0 }, content as Buffer);
  stream.finalize();
  return buffer(stream as AsyncIterable<Buffer>);
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

const whiteouts: Entry[] = [['usr/share/.wh.gone', ''], ['usr/share/whole/.wh..wh..opq', ''], ['usr/share/whole/new', 'of the upper layer']];
const first: Sample = { version: '1.0.0', upper: [['usr/share/version', '1.0.0'], ...whiteouts] };
const second: Sample = { version: '1.1.0', upper: [['usr/share/version', '1.1.0']] };

test.serial('a first release runs out of its tree, as the user', async (t) => {
  t.timeout(3 * 60_000);
  const run = await rollout(first);
  t.is(run.status, 0, run.output);
  t.deepEqual(run.states, ['uploaded', 'verified', 'loaded', 'synced', 'stopped', 'snapshotted', 'started', 'gated', 'committed']);
  const tree = `${root}/services/web/tree`;
  t.is(await output(`cat ${tree}/usr/share/version`), '1.0.0');
  t.deepEqual((await output(`cd ${tree}/usr/share && find . -type f -printf '%P\\n' | sort`)).split('\n'), ['version', 'whole/new'], 'what the upper layer hides is not there');
  t.regex(await output(`ps -u anna -o args=`), /ld-linux-x86-64\.so\.2 .*usr\/bin\/sleep 3600/);
});

test.serial('an update keeps the layers that are here, and a rollback needs no archive', async (t) => {
  t.timeout(3 * 60_000);
  const run = await rollout(second);
  t.is(run.status, 0, run.output);
  t.is(await output(`ls ${root}/layers | wc -l; ls ${root}/trees | wc -l`), '3\n2');
  t.is(await output(`stat -c %i ${root}/trees/*/usr/bin/sleep | sort -u | wc -l`), '1', 'one file for both');
  const back = await asAnna(`${updater} rollback`);
  t.is(back.status, 0, back.output);
  t.is(await output(`cat ${root}/services/web/tree/usr/share/version`), '1.0.0');
});

test.serial('a service that keeps ending is rolled back', async (t) => {
  t.timeout(3 * 60_000);
  const run = await rollout({ ...second, command: 'false' });
  t.is(run.status, 4, run.output);
  t.deepEqual(run.codes, ['E_GATE'], run.output);
  t.regex(run.output, /web ended with exit status 1; it starts again in \d+ s/, 'its last lines are told');
  t.is(await output(`cat ${root}/services/web/tree/usr/share/version`), '1.0.0');
});

test.serial('a service that is killed comes back; where its supervisor was, a boot brings both back', async (t) => {
  t.timeout(3 * 60_000);
  const field = (name: string) => output(`sed -n 's/^${name}\\t\\([0-9]*\\).*/\\1/p' ${root}/services/web/state`);
  const before = await field('process');
  await host.exec(`kill -KILL ${before}; for i in $(seq 100); do grep -q 'restarts.1' ${root}/services/web/state && grep -q running ${root}/services/web/state && break; sleep 0.2; done`);
  const after = await field('process');
  t.not(after, before);
  await host.exec(`kill -KILL $(cut -d ' ' -f 1 ${root}/services/web/supervisor)`);
  t.regex((await asAnna(`${updater} status`)).output, /container\tweb\torphaned/);
  const boot = await asAnna(`${updater} boot`);
  t.is(boot.status, 0, boot.output);
  t.regex((await asAnna(`${updater} status`)).output, /container\tweb\trunning/);
  t.is((await host.exec(['kill', '-0', after])).exitCode, 1, 'two never run at once');
});

test.serial('what does not fit is refused before anything is touched', async (t) => {
  t.timeout(3 * 60_000);
  const process = await output(`cat ${root}/services/web/state`);
  const refusals = [
    [{ ...second, version: '2.0.0', upper: [['usr/share/version', '2.0.0']], damaged: true }, 'E_LOAD_FAILED'],
    [{ ...second, plan: '' }, 'E_WRONG_ENGINE'],
    [{ ...second, plan: 'engine\tnone\noneshot\tweb\n' }, 'E_PLAN'],
    [{ ...second, plan: 'engine\tnone\nprocess-port\tweb\t22\n' }, 'E_PORT_IN_USE'],
  ] as const satisfies readonly (readonly [Sample, string])[];
  for (const [sample, code] of refusals) {
    const run = await rollout(sample);
    t.is(run.status, 3, run.output);
    t.deepEqual(run.codes, [code], run.output);
  }
  t.is(await output(`cat ${root}/services/web/state`), process);
  t.is(await output(`ls -a ${root}/tmp ${root}/layers | grep -c new`), '0', 'nothing is left half-unpacked');
  t.is((await host.exec([updater, 'status'])).exitCode, 2, 'nobody else may run it, root neither');
});

test.serial('data of another format is copied and comes back; prune leaves nothing that is not used', async (t) => {
  t.timeout(3 * 60_000);
  await host.exec(`echo old >${root}/volumes/sample_data/data/format`);
  const id = await upload({ ...second, plan: 'engine\tnone\n' });
  await host.exec(`cd ${root}/incoming/${id} && sed -i 's/^data\\t1/data\\t2/' plans/linux-amd64.plan && sha256sum $(sed 's/^[^ ]*  //' SHA256SUMS) >S && mv S SHA256SUMS && chown -R anna .`);
  const run = await asAnna(`${updater} rollout ${id}`);
  t.is(run.status, 0, run.output);
  t.true(run.states.includes('snapshotted'));
  await host.exec(`echo new >${root}/volumes/sample_data/data/format`);
  const back = await asAnna(`${updater} rollback`);
  t.is(back.status, 0, back.output);
  t.is(await output(`cat ${root}/volumes/sample_data/data/format`), 'old');
  const pruned = await asAnna(`${updater} prune`);
  t.is(pruned.status, 0, pruned.output);
  t.is(await output(`ls ${root}/layers | wc -l; ls ${root}/trees | wc -l`), '3\n2');
});
