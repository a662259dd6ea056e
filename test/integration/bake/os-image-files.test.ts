import { cp, open, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { ExitStatus, interrupted, ShipError } from '../../../src/errors.ts';
import { verifyImage } from '../../../src/bake/verify-image.ts';
import { proseShip } from '../../cli/prose-ship.ts';
import { cyclonedxSchema } from '../../support/releases/cyclonedx-schema.ts';
import { imagerListSchema } from '../../support/cards/imager-schema.ts';
import { publishedSmallImage } from '../../support/cards/small-os-image.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const stem = 'chat-linux-arm64';
const published = await publishedSmallImage({ urlBase: 'https://example.org/images' });

/** A copy of the published files, so that each test may damage its own. */
async function copyOf(): Promise<string> {
  const directory = await temporaryDirectory('os-image');
  await cp(published.directory, directory, { recursive: true });
  return directory;
}

async function flipBit(file: string, position?: number): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    const at = position ?? Math.floor((await handle.stat()).size / 2);
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, at);
    byte[0] = byte[0]! ^ 1;
    await handle.write(byte, 0, 1, at);
  } finally {
    await handle.close();
  }
}

async function refusal(file: string): Promise<ShipError & { readonly all: string }> {
  try {
    await verifyImage(file);
  } catch (error) {
    if (error instanceof ShipError) return Object.assign(error, { all: `${error.message}\n${error.output ?? ''}` });
    throw error;
  }
  throw new Error('it was accepted');
}

test.serial('the files beside an image, as programs that know nothing of ours see them', async (t) => {
  const { directory } = published;
  t.deepEqual((await readdir(directory)).sort(), [
    `${stem}.cdx.json`,
    `${stem}.image.json`,
    `${stem}.img`,
    `${stem}.img.bmap`,
    `${stem}.img.sha256`,
    `${stem}.img.xz`,
    `${stem}.img.xz.sha256`,
    `${stem}.rpi-imager-manifest`,
    'os_list.json',
  ]);
  await execa('sha256sum', ['--check', '--strict', '--quiet', `${stem}.img.sha256`, `${stem}.img.xz.sha256`], { cwd: directory });
  const { partitions } = published.description;
  for (const { startBytes, sizeBytes, fileSystem } of partitions) {
    const probe = await execa('/usr/sbin/blkid', ['-p', '-o', 'export', '--offset', String(startBytes), '--size', String(sizeBytes), path.join(directory, `${stem}.img`)]);
    for (const expected of [`TYPE=${fileSystem?.type ?? ''}`, `UUID=${fileSystem?.uuid ?? ''}`, `LABEL=${fileSystem?.label ?? ''}`]) {
      t.true(probe.stdout.split('\n').includes(expected), `${expected}: ${probe.stdout}`);
    }
  }
  const { stdout } = await execa('/usr/sbin/sfdisk', ['--json', path.join(directory, `${stem}.img`)]);
  const { partitiontable } = JSON.parse(stdout) as { partitiontable: { id: string; partitions: { start: number; size: number }[] } };
  t.is(partitiontable.id, '0x0badc0de');
  t.deepEqual(partitiontable.partitions.map(({ start, size }) => [start * 512, size * 512]), partitions.map(({ startBytes, sizeBytes }) => [startBytes, sizeBytes]));
});

test.serial('SBOM and manifests fit their published schemas', async (t) => {
  const read = async (name: string) => JSON.parse(await readFile(path.join(published.directory, name), 'utf8')) as unknown;
  const bom = (await read(`${stem}.cdx.json`)) as { components: { type: string; components?: { name: string }[] }[]; metadata: { timestamp: string } };
  t.deepEqual(cyclonedxSchema().safeParse(bom).error?.issues, undefined);
  t.deepEqual(bom.components.map(({ type }) => type), ['operating-system', 'container']);
  t.deepEqual(bom.components.map(({ components }) => components?.map(({ name }) => name)), [['base-files'], ['base-files']]);
  t.is(bom.metadata.timestamp, '2026-03-04T05:06:07.000Z');
  for (const name of [`${stem}.rpi-imager-manifest`, 'os_list.json']) {
    const { os_list: [entry] } = imagerListSchema.parse(await read(name));
    t.is(entry?.url, `https://example.org/images/${stem}.img.xz`);
  }
});

test.serial('an image that is whole verifies by any of its files, and with one form only', async (t) => {
  const directory = await copyOf();
  t.deepEqual(await verifyImage(path.join(directory, `${stem}.img`)), published.description);
  await Promise.all([rm(path.join(directory, `${stem}.img`)), rm(path.join(directory, 'os_list.json'))]);
  t.deepEqual(await verifyImage(path.join(directory, `${stem}.img.xz`)), published.description);
  t.deepEqual(await verifyImage(path.join(directory, `${stem}.image.json`)), published.description);
  const error = await refusal(path.join(directory, `${stem}.img`));
  t.is(error.code, 'E_IMAGE_FILES_MISSING');
  t.regex(error.message, /chat-linux-arm64\.img is missing/);
});

const files = [
  [`${stem}.img`, 'E_CHECKSUM'],
  [`${stem}.img.xz`, 'E_CHECKSUM'],
  [`${stem}.img.bmap`, 'E_CHECKSUM'],
  [`${stem}.img.sha256`, 'E_CHECKSUM'],
  [`${stem}.img.xz.sha256`, 'E_CHECKSUM'],
  [`${stem}.cdx.json`, 'E_CHECKSUM'],
  [`${stem}.image.json`, 'E_IMAGE_DAMAGED'],
  [`${stem}.rpi-imager-manifest`, 'E_IMAGE_DAMAGED'],
  ['os_list.json', 'E_IMAGE_DAMAGED'],
] as const;

test.serial('one flipped bit in any file is found, and no other file blamed', async (t) => {
  const directory = await copyOf();
  for (const [name, code] of files) {
    await flipBit(path.join(directory, name));
    const error = await refusal(path.join(directory, `${stem}.img.xz`));
    t.is(error.code, code, name);
    t.is(error.exitStatus, ExitStatus.failed);
    t.regex(error.remedy ?? '', /prose-ship bake/);
    for (const line of (error.output ?? error.message.replace(/^.* baked: /, '')).split('\n')) t.true(line.startsWith(name), line);
    await flipBit(path.join(directory, name));
  }
  await t.notThrowsAsync(verifyImage(path.join(directory, `${stem}.img.xz`)));
});

test.serial('a missing file is named', async (t) => {
  const directory = await copyOf();
  for (const [name] of files.filter(([one]) => ![`${stem}.img`, `${stem}.img.xz`, 'os_list.json'].includes(one))) {
    await rename(path.join(directory, name), path.join(directory, 'away'));
    const error = await refusal(path.join(directory, `${stem}.img`));
    t.is(error.code, 'E_IMAGE_FILES_MISSING', name);
    t.true(error.message.includes(`${name} is missing`), error.message);
    await rename(path.join(directory, 'away'), path.join(directory, name));
  }
});

test.serial('a range of the block map and a partition entry are named by their place', async (t) => {
  const directory = await copyOf();
  const image = path.join(directory, `${stem}.img`);
  await flipBit(image, 446 + 8); // first partition's start
  const { all } = await refusal(image);
  for (const part of [/\.img has the sha256 \w{64} instead of/, /\.img differs from the block map in bytes 0 to /, /\.img has another partition table than image\.json says/]) t.regex(all, part);
});

test.serial('everything that is wrong is named at once', async (t) => {
  const directory = await copyOf();
  await rm(path.join(directory, `${stem}.cdx.json`));
  await writeFile(path.join(directory, `${stem}.img.sha256`), '');
  await flipBit(path.join(directory, `${stem}.img.xz`));
  await open(path.join(directory, `${stem}.img`), 'r+').then(async (handle) => {
    await handle.truncate(1_000_000);
    await handle.close();
  });
  const error = await refusal(path.join(directory, `${stem}.img`));
  t.is(error.code, 'E_IMAGE_DAMAGED');
  for (const part of ['.cdx.json is missing', '.img.sha256 is not the checksum', '.img.xz has the sha256', '.img has 1000000 bytes instead of 34603008']) t.true(error.all.includes(part), `${part}: ${error.all}`);
});

test.serial('files of another image of the same name are told apart', async (t) => {
  const directory = await copyOf();
  const other = await publishedSmallImage({ hostname: 'other', directory: await temporaryDirectory('other') });
  await cp(path.join(other.directory, `${stem}.cdx.json`), path.join(directory, `${stem}.cdx.json`));
  t.regex((await refusal(path.join(directory, `${stem}.img`))).message, /cdx\.json has/);
});

test.serial('a list of several images is kept whole, and refuses a wrong address before anything is written', async (t) => {
  const directory = await copyOf();
  await publishedSmallImage({ directory, stem: 'chat-linux-arm-v7' });
  const list = imagerListSchema.parse(JSON.parse(await readFile(path.join(directory, 'os_list.json'), 'utf8')));
  t.deepEqual(list.os_list.map(({ url }) => url), ['chat-linux-arm-v7', stem].map((one) => `https://example.org/images/${one}.img.xz`));
  await t.notThrowsAsync(verifyImage(path.join(directory, `${stem}.img.xz`)));
  await t.notThrowsAsync(verifyImage(path.join(directory, 'chat-linux-arm-v7.img.xz')));
  const empty = await temporaryDirectory('empty');
  const error = await t.throwsAsync(publishedSmallImage({ directory: empty, urlBase: 'images' }), { instanceOf: ShipError });
  t.is(error.code, 'E_URL');
  t.deepEqual((await readdir(empty)).sort(), [`${stem}.img`, `${stem}.img.xz`]);
});

test.serial('an interrupted publication leaves no description, and no temporary file', async (t) => {
  const directory = await temporaryDirectory('interrupted');
  const error = await t.throwsAsync(publishedSmallImage({ directory, signal: AbortSignal.abort(interrupted()) }), { instanceOf: ShipError });
  t.is(error.code, 'E_INTERRUPTED');
  t.deepEqual((await readdir(directory)).sort(), [`${stem}.img`, `${stem}.img.xz`]);
});

test.serial('the verb: a good image, a damaged one, and names that are none', async (t) => {
  const directory = await copyOf();
  const good = await proseShip(['verify', path.join(directory, `${stem}.img.xz`)]);
  t.is(good.exitCode, 0, good.stderr);
  t.is(good.stdout.trim(), published.description.release);
  await flipBit(path.join(directory, `${stem}.img.xz`));
  const damaged = await proseShip(['verify', path.join(directory, `${stem}.img.xz`)]);
  t.is(damaged.exitCode, 1);
  t.regex(damaged.stderr, /E_CHECKSUM/);
  const none = await proseShip(['verify', path.join(directory, 'os_list.json')]);
  t.is(none.exitCode, 2);
  t.regex(none.stderr, /E_NOT_AN_IMAGE_FILE/);
});
