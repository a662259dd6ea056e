import test from 'ava';
import { parseUris } from '../../src/bundle/packages/apt.ts';
import { packageIndex, stickName } from '../../src/bundle/packages/package-index.ts';

const hex = 'a'.repeat(64);

test('what apt would fetch, out of what else it prints', (t) => {
  const text = `Reading package lists...\nBuilding dependency tree...\nThe following NEW packages will be installed:\n  curl\n'http://mirror.test/pool/c/curl_8.14.1-2_amd64.deb' curl_8.14.1-2_amd64.deb 269404 SHA256:${hex}\n'file:/x/git_1%3a2.47_all.deb' git_1%3a2.47_all.deb 12 SHA256:${hex}\n`;
  t.deepEqual(parseUris(text), [
    { file: 'curl_8.14.1-2_amd64.deb', sizeBytes: 269404, digest: `sha256:${hex}` },
    { file: 'git_1%3a2.47_all.deb', sizeBytes: 12, digest: `sha256:${hex}` },
  ]);
  t.deepEqual(parseUris(`'http://mirror.test/a.deb' a.deb 12 MD5Sum:${hex.slice(0, 32)}\n`), [], 'a digest that nobody trusts is none');
});

test('an epoch is no part of a file name', (t) => {
  t.is(stickName('Package: git\nVersion: 1:2.47.3-0+deb13u1\nArchitecture: all\nDescription: x\n'), 'git_2.47.3-0+deb13u1_all.deb');
});

test('an index has the whole of each control file, with the name, size and digest on the stick', (t) => {
  const one = { source: '/cache/a_1%3a2_all.deb', path: 'a_2_all.deb', sizeBytes: 5, digest: `sha256:${hex}` as const, control: 'Package: a\nVersion: 1:2\nArchitecture: all\nDescription: x\n more\n' };
  const entry = `Package: a\nVersion: 1:2\nArchitecture: all\nDescription: x\n more\nFilename: ./a_2_all.deb\nSize: 5\nSHA256: ${hex}\n`;
  t.is(packageIndex([one]), entry);
  t.is(packageIndex([one, one]), `${entry}\n${entry}`);
});
