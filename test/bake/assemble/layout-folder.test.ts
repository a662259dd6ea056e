import { execFile } from 'node:child_process';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { planCardLayout } from '../../../src/bake/assemble/card-layout.ts';
import { formatParameters, writeLayoutFolder, type LayoutFolder } from '../../../src/bake/assemble/layout-folder.ts';
import { parsePartitionTable, readRawPartitionTable } from '../../../src/bake/disk/partition-table.ts';
import { openDiskFile } from '../../../src/bake/disk/disk-file.ts';
import { inspectImage } from '../../../src/bake/disk/inspect-image.ts';
import { makeSampleOsImage, sampleIds } from '../../support/cards/sample-os-image.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const MiB = 1024 ** 2;
const content = { parts: [{ blocks: 1000, inodes: 100 }], bootBytes: MiB };
const fresh: LayoutFolder = {
  layout: planCardLayout('chat/debian', content, {}),
  sourceDateEpoch: 1_735_689_600,
  cmdline: ['quiet', 'cfg80211.ieee80211_regdom=DE'],
  compress: { kind: 'xz', level: 3 },
};

test('the parameters are shell that assemble.sh reads, whatever a label holds', async (t) => {
  const label = `it's $HOME; \`id\``;
  const text = formatParameters({ ...fresh, layout: { ...fresh.layout, root: { ...fresh.layout.root, label } } });
  const script = `${text}\nprintf '%s\\n' "$root_label" "$disk_bytes" "$boot_start_bytes" "$cmdline_append" "$outputs" "$xz_level" "$SOURCE_DATE_EPOCH"`;
  const { stdout } = await promisify(execFile)('sh', ['-euc', script]);
  t.deepEqual(stdout.trimEnd().split('\n'), [label, String(fresh.layout.diskBytes), String(4 * MiB), 'quiet cfg80211.ieee80211_regdom=DE', 'zst xz', '3', '1735689600']);
});

test('every variable that assemble.sh uses is given', async (t) => {
  const script = await readFile(path.resolve(import.meta.dirname, '../../../dockerfiles/os-image/assemble.sh'), 'utf8');
  const given = [...formatParameters(fresh).matchAll(/^(\w+)=/gm)].map(([, name]) => name!);
  for (const name of given) t.regex(script, new RegExp(`\\b${name}\\b`), name);
  const used = [...script.matchAll(/\$\{?((?:disk|boot|root|xz|cmdline)_[a-z_]+)/g)].map(([, name]) => name!);
  t.deepEqual(used.filter((name) => !given.includes(name)), []);
});

test('a fresh card gets a table of its own; without xz only what is read further is made', async (t) => {
  const directory = path.join(await temporaryDirectory('layout'), 'layout');
  await writeLayoutFolder(directory, { ...fresh, compress: { kind: 'none' } });
  t.deepEqual(await readdir(path.join(directory, 'table')), ['0']);
  const { layout } = fresh;
  const table = parsePartitionTable({ bootRecord: await readFile(path.join(directory, 'table/0')), extended: [] });
  t.is(table.diskId, layout.fresh!.diskId);
  t.deepEqual(table.partitions.map(({ type, startBytes, sizeBytes }) => ({ type, startBytes, sizeBytes })), [
    { type: '0c', ...layout.boot },
    { type: '83', startBytes: layout.root.startBytes, sizeBytes: layout.root.sizeBytes },
  ]);
  t.regex(await readFile(path.join(directory, 'parameters'), 'utf8'), /^outputs='zst'$/m);
});

test("a base's GPT is written anew at both ends, and big files take no second place on the disk", async (t) => {
  const place = await temporaryDirectory('layout');
  const file = path.join(place, 'base.img');
  await makeSampleOsImage(file, { table: 'gpt' });
  const disk = await openDiskFile(file);
  t.teardown(() => disk.close());
  const base = await inspectImage(disk, 'base.img');
  const baseTable = await readRawPartitionTable(disk);
  const layout = planCardLayout('s', content, { base });
  const [headFile, storeFile] = [path.join(place, 'head'), path.join(place, 'store')];
  await writeFile(headFile, 'head');
  await writeFile(storeFile, 'store');
  const directory = path.join(place, 'layout');
  await writeLayoutFolder(directory, { ...fresh, layout, baseTable, headFile, storeFile });
  const offsets = (await readdir(path.join(directory, 'table'))).map(Number).sort((a, b) => a - b);
  t.true(offsets.at(-1)! > layout.root.startBytes + layout.root.sizeBytes - 1, 'the backup lies behind the root partition');
  t.true(offsets.at(-1)! < layout.diskBytes);
  t.regex(await readFile(path.join(directory, 'parameters'), 'utf8'), new RegExp(`^root_uuid='${sampleIds.rootUuid}'$`, 'm'));
  for (const [from, name] of [[headFile, 'head.img.zst'], [storeFile, 'store.tar.zst']] as const) {
    t.is((await stat(path.join(directory, name))).ino, (await stat(from)).ino, name);
  }
});
