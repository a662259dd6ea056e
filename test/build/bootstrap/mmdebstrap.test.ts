import test from 'ava';
import { customizeScript, mmdebstrap, parseDebianBase } from '../../../src/build/bootstrap/mmdebstrap.ts';

test('only Debian references can be made of packages', (t) => {
  t.deepEqual(parseDebianBase('debian:trixie-slim'), { suite: 'trixie', slim: true });
  t.deepEqual(parseDebianBase('docker.io/library/debian:bookworm'), { suite: 'bookworm', slim: false });
  for (const reference of ['debian:latest', 'alpine:3', 'example.org/debian:trixie', 'debian:trixie-slim@sha256:00', 'debian']) {
    t.is(parseDebianBase(reference), undefined, reference);
  }
});

const step = {
  base: { suite: 'bookworm', slim: false },
  architecture: 'armhf',
  tarFile: '/cache/making/armhf.tar',
  suites: ['bookworm', 'bookworm-security'],
  sourcesFile: '/cache/apt.sources',
  sourceDateEpoch: 1_735_689_600,
};
const common = [
  '--architectures=armhf',
  '--variant=minbase',
  '--components=main',
  '--format=tar',
  '--dpkgopt=force-unsafe-io',
  '--aptopt=Acquire::Languages "none"',
  '--aptopt=APT::AutoRemove::SuggestsImportant "false"',
  '--aptopt=APT::Sandbox::User "root"',
  `--customize-hook=${customizeScript}`,
  'bookworm',
  '/cache/making/armhf.tar',
  '/cache/apt.sources',
];

test('root bootstraps in namespaces of its own', (t) => {
  t.deepEqual(mmdebstrap({ ...step, isRoot: true }), {
    program: 'unshare',
    args: ['--mount', '--pid', '--mount-proc', '--kill-child', 'mmdebstrap', '--mode=root', ...common],
    env: { SOURCE_DATE_EPOCH: '1735689600', PROSE_SHIP_SUITES: 'bookworm bookworm-security', TMPDIR: '/cache/making' },
  });
});

test('everyone else bootstraps in a user namespace', (t) => {
  t.deepEqual(mmdebstrap({ ...step, isRoot: false }), {
    program: 'mmdebstrap',
    args: ['--mode=unshare', ...common],
    env: { SOURCE_DATE_EPOCH: '1735689600', PROSE_SHIP_SUITES: 'bookworm bookworm-security' },
  });
});

test('slim leaves manuals and translations out and keeps licences', (t) => {
  const { args } = mmdebstrap({ ...step, base: { suite: 'bookworm', slim: true }, isRoot: false });
  t.true(args.includes('--dpkgopt=path-exclude=/usr/share/man/*'));
  t.true(args.indexOf('--dpkgopt=path-include=/usr/share/doc/*/copyright') > args.indexOf('--dpkgopt=path-exclude=/usr/share/doc/*'));
});
