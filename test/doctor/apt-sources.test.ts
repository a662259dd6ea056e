import test from 'ava';
import { newerSuiteFiles, parseDeb822Sources, parseOneLineSources, releaseOf } from '../../src/doctor/apt-sources.ts';

// As Debian's installer writes them; the host is the name kept for documentation (RFC 2606).
const deb822 = `Types: deb
# snapshot 20250520T000000Z
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY865UxYJKwYBBAHaRw8BAQdA
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb-src
URIs: http://mirror.example/debian
Suites: bookworm
Components: main

Enabled: no
Types: deb
URIs: http://other.example/
Suites: sid
Components: main
`;

test('the deb822 format is read: folded fields, comments, switched-off and source stanzas', (t) => {
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  t.deepEqual(parseDeb822Sources(deb822), [
    { uri: 'http://mirror.example/debian', suites: ['bookworm', 'bookworm-updates'], components: ['main'], signedBy: keyring },
    { uri: 'http://mirror.example/debian-security', suites: ['bookworm-security'], components: ['main'] },
  ]);
});

test('the one-line format is read', (t) => {
  const text = `# deb http://old.example/ x main
deb http://mirror.example/debian bookworm main contrib # ours
deb [arch=amd64 signed-by=/etc/apt/keyrings/x.gpg] https://mirror.example/x stable main
deb-src http://mirror.example/debian bookworm main
`;
  t.deepEqual(parseOneLineSources(text), [
    { uri: 'http://mirror.example/debian', suites: ['bookworm'], components: ['main', 'contrib'] },
    { uri: 'https://mirror.example/x', suites: ['stable'], components: ['main'], signedBy: '/etc/apt/keyrings/x.gpg' },
  ]);
});

test("a newer suite comes from the machine's own mirrors, with a low priority", (t) => {
  const files = newerSuiteFiles(parseDeb822Sources(deb822), 'bookworm', 'trixie')!;
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  t.is(files.sourcesPath, '/etc/apt/sources.list.d/prose-ship-trixie.sources');
  t.deepEqual(parseDeb822Sources(files.sources), [
    { uri: 'http://mirror.example/debian', suites: ['trixie'], components: ['main'], signedBy: keyring },
    { uri: 'http://mirror.example/debian-security', suites: ['trixie-security'], components: ['main'], signedBy: keyring },
  ]);
  t.is(files.preferences, 'Package: *\nPin: release n=trixie\nPin-Priority: 100\n\nPackage: *\nPin: release n=trixie-security\nPin-Priority: 100\n');
});

test('without a source of its own release there is no mirror to take', (t) => {
  t.is(newerSuiteFiles(parseOneLineSources('deb http://mirror.example/debian sid main'), 'bookworm', 'trixie'), undefined);
});

test('the release is the one that apt installs from, even if os-release has run ahead', (t) => {
  const sources = [...parseDeb822Sources(deb822), { uri: 'http://mirror.example/debian', suites: ['trixie'], components: ['main'], isOurs: true }];
  const trixie = { id: 'debian', versionId: '13', codename: 'trixie' };
  t.deepEqual(releaseOf(trixie, sources), { id: 'debian', versionId: '12', codename: 'bookworm' });
  t.deepEqual(releaseOf(trixie, parseOneLineSources('deb http://mirror.example/debian trixie main')), trixie);
  t.deepEqual(releaseOf(trixie, []), trixie);
});
