import test from 'ava';
import { chooseAptSources, formatAptSources, parseAptSources } from '../../../src/build/bootstrap/apt-sources.ts';

const deb822 = `# a comment
Types: deb
# URIs: http://old.example/debian
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb-src
URIs: http://mirror.example/debian
Suites: trixie
Components: main

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: trixie
Components: main

Types: deb
URIs: http://mirror.example/security
Suites:
 bookworm-security
Components: main
`;

test('deb822 sources: every URI and suite; source packages and disabled stanzas are left out', (t) => {
  t.deepEqual(parseAptSources(deb822), [
    { uri: 'http://mirror.example/debian', suite: 'bookworm', components: ['main', 'contrib'] },
    { uri: 'http://mirror.example/debian', suite: 'bookworm-updates', components: ['main', 'contrib'] },
    { uri: 'http://mirror.example/security', suite: 'bookworm-security', components: ['main'] },
  ]);
});

test('one-line sources: options and comments are skipped', (t) => {
  const text = '# deb http://no.example x main\ndeb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian trixie main # note\ndeb-src http://mirror.example/debian trixie main\n';
  t.deepEqual(parseAptSources(text), [{ uri: 'http://mirror.example/debian', suite: 'trixie', components: ['main'] }]);
});

test('the machine knows the suite: its own mirror of it', (t) => {
  const configured = parseAptSources(`${deb822}\nTypes: deb\nURIs: http://other.example/debian\nSuites: trixie\nComponents: main\n`);
  t.deepEqual(
    chooseAptSources(configured, 'trixie').map(({ uri, suite }) => `${uri} ${suite}`),
    ['http://other.example/debian trixie', 'http://other.example/debian trixie-updates', 'http://mirror.example/security trixie-security'],
  );
});

test('the machine knows only another suite: the same mirror', (t) => {
  t.is(chooseAptSources(parseAptSources(deb822), 'trixie')[0]?.uri, 'http://mirror.example/debian');
});

test('security stands beside a mirror that is all there is; other distributions are no mirror', (t) => {
  const one = (suite: string) => [{ uri: 'http://mirror.example/debian/', suite, components: ['main'] }];
  t.is(chooseAptSources(one('trixie'), 'trixie')[2]?.uri, 'http://mirror.example/debian-security');
  t.deepEqual(chooseAptSources(one('noble'), 'trixie'), []);
});

test('what is written is what is read', (t) => {
  const sources = chooseAptSources(parseAptSources(deb822), 'bookworm').map((source) => ({ ...source, components: ['main'] }));
  t.deepEqual(parseAptSources(formatAptSources(sources)), sources);
});
