import test, { type ExecutionContext } from 'ava';
import { findOfficialImage } from '../../../src/bake/base/os-list.ts';
import { createContext } from '../../../src/context.ts';
import { ShipError } from '../../../src/errors.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';
import { officialEntry } from '../../support/os-list.ts';
import { startFileServer } from '../../support/file-server.ts';

const arm64 = parsePlatform('linux/arm64')!;
const armhf = parsePlatform('linux/arm/v7')!;

async function serve(t: ExecutionContext, lists: Record<string, unknown>) {
  const server = await startFileServer();
  t.teardown(() => server.close());
  for (const [name, list] of Object.entries(lists)) {
    server.files.set(`/${name}`, { content: typeof list === 'string' ? list : JSON.stringify(list).replaceAll('SERVER', server.url) });
  }
  const context = createContext({ environment: { PROSE_SHIP_OS_LIST: `${server.url}/list.json` } });
  return { server, context };
}

const image = (folder: string, date: string) => officialEntry({ url: `https://images.example/${folder}/images/${folder}-${date}/${date}-image.img.xz`, release_date: date });

const list = {
  imager: { latest_version: '2.0.0', devices: [{ name: 'Raspberry Pi 5', tags: ['pi5-64bit'] }] },
  os_list: [
    image('raspios_arm64', '2026-06-01'),
    { name: 'Erase', description: '', icon: '', url: 'builtin://erase' },
    {
      name: 'Raspberry Pi OS (other)',
      random_key: true,
      subitems: [
        image('raspios_lite_arm64', '2025-05-13'),
        image('raspios_lite_arm64', '2026-04-02'),
        image('raspios_lite_arm64', '2026-01-30'),
        image('raspios_oldstable_lite_arm64', '2026-04-03'),
        { name: 'more', subitems_url: 'more/list.json' },
      ],
    },
    { name: 'From elsewhere', subitems_url: 'https://elsewhere.invalid/list.json' },
    { name: 'Gone', subitems_url: 'SERVER/gone.json' },
  ],
};
const more = { os_list: [{ name: 'armhf', subitems: [image('raspios_lite_armhf', '2026-04-01'), image('raspios_oldstable_lite_armhf', '2026-03-01')] }, { name: 'back', subitems_url: '../list.json' }] };

test('the newest image of a base is found at any depth of the lists', async (t) => {
  const { server, context } = await serve(t, { 'list.json': list, 'more/list.json': more });
  t.deepEqual(await findOfficialImage(context, 'raspios-lite', arm64), {
    url: 'https://images.example/raspios_lite_arm64/images/raspios_lite_arm64-2026-04-02/2026-04-02-image.img.xz',
    releaseDate: '2026-04-02',
    downloadBytes: 1000,
    downloadSha256: 'b'.repeat(64),
    extractBytes: 4096,
    extractSha256: 'a'.repeat(64),
    initFormat: 'cloudinit-rpi',
  });
  t.is((await findOfficialImage(context, 'raspios-lite', armhf)).releaseDate, '2026-04-01');
  t.is((await findOfficialImage(context, 'raspios-legacy', arm64)).releaseDate, '2026-04-03');
  t.is((await findOfficialImage(context, 'raspios-legacy', armhf)).releaseDate, '2026-03-01');
  t.is(server.gets('/list.json').length, 4, 'each list is read once, although they refer to each other');
});

test('a list that is not there, no JSON or no list is refused', async (t) => {
  const cases: [content: Record<string, unknown>, message: RegExp][] = [
    [{}, /no such file/],
    [{ 'list.json': '<html>' }, /not JSON/],
    [{ 'list.json': { os: [] } }, /not a list of Raspberry Pi Imager/],
  ];
  for (const [lists, message] of cases) {
    const { context } = await serve(t, lists);
    const error = await t.throwsAsync(findOfficialImage(context, 'raspios-lite', arm64), { instanceOf: ShipError, code: 'E_OS_LIST', message });
    t.is(error.exitStatus, 3);
    t.regex(error.remedy ?? '', /PROSE_SHIP_OS_LIST/);
  }
  const { server, context } = await serve(t, {});
  server.close();
  await t.throwsAsync(findOfficialImage(context, 'raspios-lite', arm64), { code: 'E_OS_LIST', message: /cannot be downloaded/ });
});

test('where the image is missing, the error names those that are there, or the list that could not be read', async (t) => {
  const { context } = await serve(t, { 'list.json': { os_list: [image('raspios_full_arm64', '2026-01-01'), image('raspios_lite_arm64', '2026-01-01')] } });
  await t.throwsAsync(findOfficialImage(context, 'raspios-legacy', arm64), { code: 'E_OS_LIST', message: /raspios_oldstable_lite_arm64'; it has: raspios_full_arm64, raspios_lite_arm64$/ });
  const broken = await serve(t, { 'list.json': { os_list: [{ subitems_url: 'sub.json' }] }, 'sub.json': '{' });
  await t.throwsAsync(findOfficialImage(broken.context, 'raspios-lite', arm64), { code: 'E_OS_LIST', message: /sub\.json.*not JSON/ });
});

test('an entry that lacks what it must tell is named', async (t) => {
  const { extract_sha256: removed, ...entry } = image('raspios_lite_arm64', '2026-01-01');
  t.truthy(removed);
  const { context } = await serve(t, { 'list.json': { os_list: [entry] } });
  await t.throwsAsync(findOfficialImage(context, 'raspios-lite', arm64), { code: 'E_OS_LIST', message: /2026-01-01-image\.img\.xz.*extract_sha256/s });
});

test('lists of other publishers cannot name a newer image', async (t) => {
  const { server, context } = await serve(t, {
    'list.json': { os_list: [image('raspios_lite_arm64', '2026-01-01'), { name: 'other', subitems_url: 'OTHER/other.json' }] },
    'other.json': { os_list: [image('raspios_lite_arm64', '2030-01-01')] },
  });
  const file = server.files.get('/list.json')!;
  file.content = String(file.content).replace('OTHER', server.url.replace('127.0.0.1', 'localhost')); // the same server by another name
  t.is((await findOfficialImage(context, 'raspios-lite', arm64)).releaseDate, '2026-01-01');
  t.is(server.gets('/other.json').length, 0);
});

test('there is no image for other platforms', async (t) => {
  const error = await t.throwsAsync(findOfficialImage(createContext(), 'raspios-lite', parsePlatform('linux/amd64')!), { instanceOf: ShipError, code: 'E_BASE_PLATFORM' });
  t.is(error.exitStatus, 2);
  t.regex(error.remedy ?? '', /linux\/arm64/);
});
