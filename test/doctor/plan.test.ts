import test from 'ava';
import { asRoot, installCommand } from '../../src/doctor/fix.ts';
import { parseOsRelease, type Machine } from '../../src/doctor/machine.ts';
import { packagesOf } from '../../src/doctor/packages.ts';
import { describePlan, isEmptyPlan, planCommands, planFix } from '../../src/doctor/plan.ts';
import { includesPurpose, type Finding, type Purpose } from '../../src/doctor/requirement.ts';
import { requirements } from '../../src/doctor/requirements.ts';

const bookworm = { id: 'debian', versionId: '12', codename: 'bookworm' };
const trixie = { id: 'debian', versionId: '13', codename: 'trixie' };
const noble = { id: 'ubuntu', versionId: '24.04', codename: 'noble' };
const machine = (fields: Partial<Machine> = {}): Machine => ({
  platform: 'linux',
  distribution: bookworm,
  isRoot: true,
  canSudo: true,
  hasSystemd: false,
  hasQemu: false,
  ...fields,
});
const sources = [{ uri: 'http://mirror.example/debian', suites: ['bookworm'], components: ['main'] }];

/** Findings of which those named are not met. */
function missing(...ids: string[]): Finding[] {
  return requirements.map((requirement) => {
    const isMet = !ids.includes(requirement.id);
    return { requirement, isMet, isInstalled: isMet, detail: isMet ? 'there' : 'not installed' };
  });
}

test('where nothing is missing there is nothing to do', (t) => {
  const plan = planFix(machine(), missing(), sources);
  t.true(isEmptyPlan(plan));
  t.deepEqual([describePlan(plan), planCommands(plan), plan.advice], [[], [], []]);
});

test('Debian 12 takes engine, buildx and Compose from Debian 13, the rest from itself', (t) => {
  const plan = planFix(machine(), missing('docker', 'engine', 'dockerd', 'buildx', 'compose', 'mmdebstrap', 'emulation-linux-arm-v7'), sources);
  t.deepEqual(plan.installations, [
    { packages: ['qemu-user-static', 'mmdebstrap', 'arch-test', 'debian-archive-keyring'] },
    { packages: ['docker-cli', 'docker.io', 'docker-buildx', 'docker-compose'], fromSuite: 'trixie' },
  ]);
  t.deepEqual(plan.binfmtNames, ['qemu-arm']);
  t.true(plan.newerSuite!.sources.includes('http://mirror.example/debian'));
  t.deepEqual(planCommands(plan).slice(2, 5), [
    'apt-get update',
    'apt-get install --no-install-recommends qemu-user-static mmdebstrap arch-test debian-archive-keyring',
    'apt-get install --no-install-recommends --target-release=trixie docker-cli docker.io docker-buildx docker-compose',
  ]);
});

test('Debian 13 and Ubuntu have all of it under names of their own', (t) => {
  const parts = ['engine', 'client', 'buildx', 'compose', 'emulation'] as const;
  t.deepEqual(packagesOf(parts, trixie), { own: ['docker.io', 'docker-cli', 'docker-buildx', 'docker-compose', 'qemu-user-binfmt'], newer: [] });
  t.deepEqual(packagesOf(parts, noble), { own: ['docker.io', 'docker-buildx', 'docker-compose-v2', 'qemu-user-static'], newer: [] });
  t.is(packagesOf(parts, { id: 'debian', versionId: '11', codename: 'bullseye' }), undefined);
  t.is(packagesOf(parts, { id: 'fedora', versionId: '42', codename: '' }), undefined);
});

test('cards need QEMU and gpg, which no build needs; tests need all', (t) => {
  const cards = missing('qemu-system-aarch64', 'qemu-system-arm', 'qemu-img', 'gpg');
  t.deepEqual(planFix(machine(), cards, sources).installations, [{ packages: ['qemu-system-arm', 'qemu-utils', 'gnupg'] }]);
  const needs = (purpose: Purpose) => requirements.filter((requirement) => includesPurpose(purpose, requirement.purpose)).map(({ id }) => id);
  t.false(needs('build').includes('qemu-img'));
  t.false(needs('demo').includes('gpg'));
  t.deepEqual(needs('test'), requirements.map(({ id }) => id));
  t.is(new Set(needs('test')).size, requirements.length, 'no id twice');
});

test('a fresh Debian 12 gets everything that the tests start, all but the engine and the chat client from itself', (t) => {
  const plan = planFix(machine(), missing(...requirements.map(({ id }) => id)), sources);
  const [own, newer] = plan.installations;
  const reads = ['fdisk', 'gdisk', 'dosfstools', 'mtools', 'bmap-tools', 'e2fsprogs', 'xz-utils', 'zstd', 'gzip', 'bzip2', 'attr', 'acl', 'libcap2-bin', 'python3'];
  for (const name of [...reads, 'mount', 'util-linux', 'nftables', 'locales', 'tzdata', 'libc-bin', 'sudo', 'systemd', 'skopeo', 'openssh-server', 'gnupg', 'qemu-system-arm']) {
    t.true(own!.packages.includes(name), name);
  }
  t.deepEqual(newer, { packages: ['docker-cli', 'docker.io', 'docker-buildx', 'docker-compose', 'go-sendxmpp'], fromSuite: 'trixie' });
});

test('what is installed but not registered is registered, without apt', (t) => {
  const findings = missing('emulation-linux-arm64').map((finding) => (finding.isMet ? finding : { ...finding, isInstalled: true }));
  const plan = planFix(machine({ hasQemu: true }), findings, sources);
  t.deepEqual([plan.installations, plan.binfmtNames, plan.newerSuite], [[], ['qemu-aarch64'], undefined]);
});

test('an engine that is installed but stopped is for its owner to start', (t) => {
  const detail = 'none answers to this user';
  const findings = missing('engine').map((finding) => (finding.isMet ? finding : { ...finding, isInstalled: true, detail }));
  const plan = planFix(machine({ isRoot: false }), findings, sources);
  t.true(isEmptyPlan(plan));
  t.deepEqual(plan.advice, [`Docker engine: ${detail}`]);
});

test('elsewhere, and without root, a person is told what to do', (t) => {
  const mac = planFix({ platform: 'darwin', isRoot: false, canSudo: false, hasSystemd: false, hasQemu: false }, missing('engine'), []);
  t.false(mac.canRun);
  t.regex(mac.advice.join(' '), /Docker Desktop.*: Docker engine/);
  const fedora = planFix(machine({ distribution: { id: 'fedora', versionId: '42', codename: '' } }), missing('tar', 'node'), []);
  t.deepEqual(fedora.advice.at(-1), 'Install with your package manager: tar.');
  t.regex(fedora.advice[0]!, /npm ci/);
  t.false(planFix(machine({ isRoot: false, canSudo: false }), missing('tar'), sources).canRun);
});

test('whole command lines: in a session of its own, through sudo only where needed', (t) => {
  const installation = { packages: ['docker.io'], fromSuite: 'trixie' };
  const { program, args } = installCommand({ isRoot: false }, installation);
  t.is(program, 'sudo');
  t.deepEqual([args.slice(0, 3), args.slice(4)], [['-n', 'setsid', '--wait'], ['--target-release=trixie', 'docker.io']]);
  t.regex(args[3]!, /\/src\/doctor\/install-packages\.sh$/);
  t.deepEqual(asRoot({ isRoot: true }, { program: 'apt-get', args: ['update'] }), { program: 'apt-get', args: ['update'] });
});

test('a purpose includes the smaller ones', (t) => {
  t.true(includesPurpose('test', 'build'));
  t.true(includesPurpose('demo', 'demo'));
  t.false(includesPurpose('build', 'test'));
  t.true(includesPurpose('test', 'cards'));
  t.true(includesPurpose('cards', 'build'));
  t.false(includesPurpose('demo', 'cards'));
});

test('os-release is read with and without quotes', (t) => {
  t.deepEqual(parseOsRelease('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'), bookworm);
  t.is(parseOsRelease(''), undefined);
});
