import test from 'ava';
import { ExitStatus, ShipError } from '../../../src/errors.ts';
import { formatImagerList, imagerEntry, localUrlBase, parseUrlBase, urlBaseOf } from '../../../src/bake/publish/imager-manifest.ts';
import { imagerListSchema } from '../../support/cards/imager-schema.ts';
import { sampleDescription } from '../../support/releases/sample-description.ts';

const list = (text: string) => imagerListSchema.parse(JSON.parse(text));

test('a manifest for a local image names it by an absolute file URL', (t) => {
  const description = sampleDescription({ base: { name: 'raspios-lite', initFormat: 'cloudinit-rpi' } });
  const { os_list: [entry], imager } = list(formatImagerList([imagerEntry(description, localUrlBase('/srv/my images'))]));
  t.is(entry?.url, 'file:///srv/my%20images/chat-linux-arm64.img.xz');
  t.is(entry?.bmap_url, 'file:///srv/my%20images/chat-linux-arm64.img.bmap');
  t.like(entry, {
    name: 'chat 1.0.0 (64-bit)',
    extract_size: description.image.sizeBytes,
    extract_sha256: description.image.sha256,
    image_download_size: description.compressed!.sizeBytes,
    image_download_sha256: description.compressed!.sha256,
    release_date: '2026-03-04',
    init_format: 'cloudinit-rpi',
    architecture: 'armv8',
  });
  t.deepEqual(entry?.devices, ['pi3-64bit', 'pi4-64bit', 'pi5-64bit']);
  const tags = imager?.devices?.flatMap((device) => device.tags) ?? [];
  for (const tag of entry?.devices ?? []) t.true(tags.includes(tag), `no device can be chosen that has ${tag}`);
});

test('32-bit images go to 32-bit tags; without a compressed form the raw one is downloaded', (t) => {
  const raw = sampleDescription({ platform: 'linux/arm/v7' });
  delete raw.compressed;
  const { os_list: [entry] } = list(formatImagerList([imagerEntry(raw, 'https://example.org/')]));
  t.is(raw.base.name, 'debian', 'whose kernel does not know the card reader of a Pi 5');
  t.deepEqual(entry?.devices, ['pi3-32bit', 'pi4-32bit']);
  t.like(entry, { architecture: 'armhf', url: 'https://example.org/chat-linux-arm64.img', image_download_size: raw.image.sizeBytes });
});

test('the address of a repository', (t) => {
  t.is(parseUrlBase('https://example.org/images'), 'https://example.org/images/');
  t.is(parseUrlBase('http://example.org'), 'http://example.org/');
  for (const wrong of ['images', 'file:///images/', 'ftp://example.org/', 'https://example.org/?a=b', '']) {
    const error = t.throws(() => parseUrlBase(wrong), { instanceOf: ShipError });
    t.is(error.code, 'E_URL');
    t.is(error.exitStatus, ExitStatus.usage);
    t.regex(error.remedy ?? '', /https:\/\//);
  }
});

test('the address is found again in a list, and in nothing else', (t) => {
  const text = formatImagerList([imagerEntry(sampleDescription(), 'https://example.org/a/')]);
  t.is(urlBaseOf(text), 'https://example.org/a/');
  for (const other of ['', 'null', '[]', '{"os_list":{}}', '{"os_list":[]}', '{"os_list":[1]}', '{"os_list":[null]}']) t.is(urlBaseOf(other), undefined, other);
});

test('the rules can fail', (t) => {
  const good = JSON.parse(formatImagerList([imagerEntry(sampleDescription(), 'https://example.org/')])) as { os_list: Record<string, unknown>[] };
  t.true(imagerListSchema.safeParse(good).success);
  for (const change of [{ url: 'chat.img.xz' }, { extract_size: '1' }, { devices: undefined }, { init_format: 'magic' }, { release_date: '4 March' }]) {
    t.false(imagerListSchema.safeParse({ ...good, os_list: [{ ...good.os_list[0], ...change }] }).success, JSON.stringify(change));
  }
  t.false(imagerListSchema.safeParse({ ...good, more: 1 }).success);
});
