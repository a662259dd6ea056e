import path from 'node:path';
import test from 'ava';
import { planBake } from '../../src/bake/plan-bake.ts';
import { ShipError } from '../../src/errors.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { readRelease } from '../../src/release/read-release.ts';
import { sampleOs } from '../support/cards/card.ts';
import { packedRelease } from '../support/releases/packed-release.ts';

const os = sampleOs();
const release = await readRelease((await packedRelease([{ 'etc/content': 'one' }])).directory);
const plan = (options: Partial<Parameters<typeof planBake>[2]> = {}) => planBake(os, release, { outputDirectory: '/site/build', ...options });

test('a plan is the site, unless the command line says otherwise, and frozen', (t) => {
  const { manifest } = release;
  t.deepEqual(plan(), {
    name: manifest.name,
    release: manifest.id,
    platform: parsePlatform('linux/arm64')!,
    base: 'debian',
    preload: 'store',
    hostname: 'kitchen',
    user: 'pi',
    imageFile: `/site/build/os-image/${manifest.name}-linux-arm64.img`,
    keepsRaw: false,
    compression: { kind: 'xz', level: 1 },
  });
  t.like(plan({ base: 'raspios-lite', preload: 'archive' }), { base: 'raspios-lite', preload: 'archive' });
  t.is(planBake(sampleOs({ sizeBytes: 4096 }), release, { outputDirectory: '/b' }).sizeBytes, 4096);
  t.true(Object.isFrozen(plan()));
});

test('--output is a folder, a compressed or a raw image', (t) => {
  const stem = `${release.manifest.name}-linux-arm64`;
  t.is(plan({ output: '/out/' }).imageFile, `/out/${stem}.img`);
  t.is(plan({ output: 'cards' }).imageFile, path.resolve('cards', `${stem}.img`));
  t.like(plan({ output: '/out/my.img.xz' }), { imageFile: '/out/my.img', keepsRaw: false, compression: { kind: 'xz', level: 1 } });
  t.like(plan({ output: '/out/my.img' }), { imageFile: '/out/my.img', keepsRaw: true, compression: { kind: 'none' } });
  const error = t.throws(() => plan({ output: '/out/my.iso' }), { instanceOf: ShipError });
  t.deepEqual([error.code, error.exitStatus], ['E_USAGE', 2]);
  t.regex(error.message, /my\.iso/);
  t.true(error.remedy!.includes(`${stem}.img.xz`));
});

test('a platform that the release lacks, or that no Pi is, is refused', (t) => {
  for (const platform of ['linux/arm/v7', 'linux/amd64']) {
    const error = t.throws(() => plan({ platform: parsePlatform(platform)! }), { instanceOf: ShipError });
    t.deepEqual([error.code, error.exitStatus], ['E_WRONG_ARCHITECTURE', 3]);
    t.true(error.message.includes(platform) && error.message.includes('linux/arm64'), error.message);
    t.regex(error.remedy!, /`platforms`/);
  }
});
