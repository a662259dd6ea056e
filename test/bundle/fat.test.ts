import test from 'ava';
import { checkFat, largestFileBytes } from '../../src/bundle/stick/fat.ts';
import { ExitStatus, ShipError } from '../../src/errors.ts';

function refusal(...paths: readonly string[]): ShipError | undefined {
  try {
    checkFat(paths.map((path) => ({ path, sizeBytes: 1 })));
    return undefined;
  } catch (error) {
    return error as ShipError;
  }
}

test('names of releases, packages and programs can be on FAT', (t) => {
  t.is(refusal('SHA256SUMS', 'install.sh', 'packages/trixie/libstdc++6_14.2.0-19_amd64.deb', 'release/linux-arm-v7/files/0123abcd/prosody.cfg.lua', 'packages/trixie/docker.io_26.1.5+dfsg1-9+b10~x_arm64.deb'), undefined);
});

for (const [path, odd] of [
  ['packages/a_1:2_all.deb', 'a_1:2_all.deb'],
  ['secrets/what?', 'what?'],
  ['secrets/name.', 'name.'],
  ['secrets/con', 'con'],
  ['aux.d/file', 'aux.d'],
  [`x/${'a'.repeat(256)}`, 'a'.repeat(256)],
] as const) {
  test(`'${path.slice(0, 30)}' cannot`, (t) => {
    t.like(refusal('README.txt', path), { code: 'E_BUNDLE_FILE_NAME', exitStatus: ExitStatus.preflight });
    t.true(refusal(path)?.message.includes(`'${odd}'`));
  });
}

test('two names that FAT takes for one cannot', (t) => {
  t.regex(refusal('secrets/Token', 'secrets/token')?.message ?? '', /'secrets\/token' cannot be on a USB stick: a FAT file system takes it for 'secrets\/Token'/);
});

test('a file of 4 GiB cannot, one byte less can', (t) => {
  t.notThrows(() => checkFat([{ path: 'image', sizeBytes: largestFileBytes }]));
  const error = t.throws<ShipError>(() => checkFat([{ path: 'release/linux-arm64/images/server.tar.zst', sizeBytes: 2 ** 32 }]), { instanceOf: ShipError });
  t.like(error, { code: 'E_BUNDLE_FILE_TOO_LARGE', exitStatus: ExitStatus.preflight });
  t.regex(error.message, /^'release\/linux-arm64\/images\/server\.tar\.zst' has 4294967296 bytes/);
});
