import test from 'ava';
import { debianArchitecture, formatPlatform, parsePlatform, platformOfMachine, platformSlug, samePlatform } from '../../src/oci/platform.ts';
import { canonicalName, parseReference } from '../../src/oci/reference.ts';

test('platforms are normalised as containerd does', (t) => {
  t.is(formatPlatform(parsePlatform('linux/arm')!), 'linux/arm/v7');
  t.is(formatPlatform(parsePlatform('linux/arm64/v8')!), 'linux/arm64');
  t.is(parsePlatform('linux'), undefined);
  t.is(parsePlatform('linux/ARM'), undefined);
  t.true(samePlatform({ os: 'linux', architecture: 'arm' }, { os: 'linux', architecture: 'arm', variant: 'v7' }));
  t.is(platformSlug(parsePlatform('linux/arm/v7')!), 'linux-arm-v7');
});

test('platforms are told from uname and to Debian', (t) => {
  t.is(formatPlatform(platformOfMachine('armv7l')!), 'linux/arm/v7');
  t.is(formatPlatform(platformOfMachine('aarch64')!), 'linux/arm64');
  t.is(platformOfMachine('vax'), undefined);
  t.is(debianArchitecture(parsePlatform('linux/arm/v7')!), 'armhf');
  t.is(debianArchitecture(parsePlatform('linux/arm/v6')!), undefined);
});

test('references are parsed and refused by the distribution grammar', (t) => {
  t.deepEqual(parseReference('prose-ship/prosody:13.0.1-abc'), { repository: 'prose-ship/prosody', tag: '13.0.1-abc' });
  t.deepEqual(parseReference('localhost:5000/app'), { repository: 'localhost:5000/app', tag: 'latest' });
  for (const wrong of ['Upper/case:1', 'a b', 'app:', 'app:-x', 'app:' + 'x'.repeat(129), '']) t.is(parseReference(wrong), undefined, wrong);
});

test('names are made canonical as engines file them', (t) => {
  t.is(canonicalName('app:1'), 'docker.io/library/app:1');
  t.is(canonicalName('prose-ship/prosody:1'), 'docker.io/prose-ship/prosody:1');
  t.is(canonicalName('registry.example:5000/app:1'), 'registry.example:5000/app:1');
  t.is(canonicalName('localhost/app:1'), 'localhost/app:1');
});
