import test from 'ava';
import { allPackages, planBundle, type BundleRequest } from '../../src/bundle/plan-bundle.ts';
import { factsText, nextText, readmeText } from '../../src/bundle/stick/texts.ts';
import { ExitStatus, ShipError } from '../../src/errors.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import type { Deployment, OsSettings } from '../../src/site/model.ts';
import type { Release } from '../../src/release/read-release.ts';

const platforms = ['linux/arm/v7', 'linux/arm64'].map((text) => parsePlatform(text)!);
const manifest = {
  id: '1.0.0-0123456789ab',
  name: 'chat',
  version: '1.0.0',
  domain: 'example.org',
  images: platforms.map((platform) => ({ platform })),
  secrets: ['token', 'made'],
  generatedSecrets: ['made'],
} as unknown as Release['manifest'];

function plan({ engine, ...request }: Partial<BundleRequest> & Pick<OsSettings, 'engine'>, packages = ['nginx']) {
  const deployment = { site: { ...(engine ? { os: { engine } } : {}) }, recipe: { packages } } as unknown as Pick<Deployment, 'site' | 'recipe'>;
  return planBundle(deployment, { directory: '/release', manifest }, { directory: '/stick/chat', suite: 'trixie', ...request });
}

test('all platforms of the release, the engine of Debian, and what a host asks for', (t) => {
  t.like(plan({}), {
    platforms: [{ platform: platforms[0]!, architecture: 'armhf' }, { platform: platforms[1]!, architecture: 'arm64' }],
    engine: 'debian',
    enginePackages: ['docker-cli', 'docker-compose', 'docker.io'],
    packages: ['nginx'],
    secrets: ['token'],
  });
  t.deepEqual(allPackages(plan({})), ['apparmor', 'ca-certificates', 'coreutils', 'curl', 'docker-cli', 'docker-compose', 'docker.io', 'gzip', 'mawk', 'nginx', 'openssh-client', 'openssl', 'util-linux']);
});

test('Debian 12 has no Compose 2, so its engine is that of Docker, as the site may say for any', (t) => {
  const docker = ['containerd.io', 'docker-ce', 'docker-ce-cli', 'docker-compose-plugin'];
  t.like(plan({ suite: 'bookworm' }), { engine: 'docker', enginePackages: docker });
  t.like(plan({ engine: 'docker' }), { engine: 'docker', enginePackages: docker });
  t.like(plan({ suite: 'bookworm', engine: 'debian' }), { engine: 'debian' });
});

test('a platform that the release does not have is refused', (t) => {
  const error = t.throws<ShipError>(() => plan({ platforms: [parsePlatform('linux/amd64')!] }), { instanceOf: ShipError });
  t.like(error, { code: 'E_WRONG_ARCHITECTURE', exitStatus: ExitStatus.preflight, message: 'Release 1.0.0-0123456789ab has no images for linux/amd64, only for linux/arm/v7, linux/arm64' });
  t.is(t.throws<ShipError>(() => plan({ platforms: [parsePlatform('linux/riscv64')!] }), { instanceOf: ShipError }).code, 'E_WRONG_ARCHITECTURE');
});

test('the texts on the stick', (t) => {
  const facts = factsText(plan({}), manifest);
  t.true(facts.startsWith('format\t1\nname\tchat\nversion\t1.0.0\nrelease\t1.0.0-0123456789ab\nsuite\ttrixie\nsystem\tDebian 13\n'));
  t.true(facts.includes('platform\tlinux-arm-v7 armhf\nplatform\tlinux-arm64 arm64\n') && facts.includes('program\tflock=util-linux\n') && facts.includes('package\tnginx\n'));
  t.regex(readmeText(plan({}), manifest, false), /It asks for token\. Or put each/);
  t.regex(readmeText(plan({}), manifest, true), /The secrets token ARE IN THIS FOLDER/);
  const accounts = { service: 'server', add: { command: ['prosodyctl', 'adduser', '{jid}'], input: '' } } as unknown as NonNullable<Release['manifest']['accounts']>;
  t.regex(nextText({ ...manifest, accounts }, 'What is left'), /docker exec -it chat-server-1 prosodyctl adduser NAME@example\.org\n[\s\S]*\nWhat is left\n$/);
});

test('a profile without an engine is refused', (t) => {
  const deployment = { site: { file: 'prose-ship.yaml', profile: 'shared' }, recipe: { processes: {} } } as unknown as Pick<Deployment, 'site' | 'recipe'>;
  const error = t.throws<ShipError>(() => planBundle(deployment, { directory: '/release', manifest }, { directory: '/stick/chat', suite: 'trixie' }), { instanceOf: ShipError });
  t.like(error, { code: 'E_NEEDS_ENGINE', exitStatus: ExitStatus.usage, message: "A bundle installs an engine as root, and the profile 'shared' of prose-ship.yaml is for hosts without one" });
});
