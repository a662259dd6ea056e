import test from 'ava';
import { parsePlatform } from '../../src/oci/platform.ts';
import type { ReleaseManifest } from '../../src/release/manifest.ts';
import { releaseManifestSchema } from '../../src/release/manifest-schema.ts';
import { rolloutPlan, upgradePaths } from '../../src/release/rollout-plan.ts';

const digest = `sha256:${'0'.repeat(64)}` as const;

const manifest: ReleaseManifest = {
  format: 1,
  id: '1.0.0-0123456789ab',
  name: 'demo',
  version: '1.0.0',
  domain: 'example.org',
  recipe: { name: 'pod', version: '2.1.0' },
  images: [],
  compose: { path: 'compose.yaml', sizeBytes: 1, digest },
  files: [{ path: 'files/0123456789ab/sorry.html', sizeBytes: 1, digest, name: 'sorry.html', mode: '0644', uid: 0, gid: 0 }],
  rollout: {
    upgradeFrom: '^1.2.0 || ^2.0.0',
    services: [
      { name: 'server', component: 'server', probes: [] },
      { name: 'api', component: 'api', probes: [], restartAfter: ['server'], maintenancePage: 'sorry.html' },
      { name: 'web', component: 'web', probes: [{ type: 'http', url: 'http://127.0.0.1:{port}/', status: 200 }], startFirst: { drainSeconds: 5 } },
    ],
    timeoutSeconds: 60,
    soakSeconds: 5,
  },
  requires: { engine: '24.0.0' },
  data: { version: 1, volumes: [], names: { rooms: 'groups.example.org', domain: 'example.org' }, rename: { service: 'server', command: ['rename', '-v'] } },
  secrets: [],
};

test('a plan tells order, restarts, pages and conditions, and its manifest can be read again', (t) => {
  t.deepEqual(releaseManifestSchema.parse(manifest), manifest);
  t.deepEqual(rolloutPlan(manifest, parsePlatform('linux/arm64')!).trimEnd().split('\n').map((line) => line.split('\t')), [
    ['format', '1'],
    ['id', '1.0.0-0123456789ab'],
    ['name', 'demo'],
    ['version', '1.0.0'],
    ['recipe', 'pod', '2.1.0'],
    ['upgrade-from', '>=1.2.0', '<2.0.0-0'],
    ['upgrade-from', '>=2.0.0', '<3.0.0-0'],
    ['requires', 'engine', '24.0.0'],
    ['file', '0123456789ab', 'sorry.html', '0644', '0', '0'],
    ['service', 'server', 'server'],
    ['service', 'api', 'api'],
    ['restart-after', 'api', 'server'],
    ['maintenance', 'api', '0123456789ab', 'sorry.html'],
    ['service', 'web', 'web'],
    ['probe', 'web', 'http', 'http://127.0.0.1:{port}/', '200'],
    ['order', 'web', 'start-first', '5'],
    ['gate', '60', '5'],
    ['data', '1'],
    ['data-name', 'domain', 'example.org'],
    ['data-name', 'rooms', 'groups.example.org'],
    ['data-rename', 'server', 'rename', '-v'],
  ]);
});

test('a damaged manifest has no range and no version that a shell could stumble over', (t) => {
  for (const damaged of [
    { ...manifest, requires: { engine: '24; reboot' } },
    { ...manifest, rollout: { ...manifest.rollout, upgradeFrom: 'newer' } },
  ]) {
    t.false(releaseManifestSchema.safeParse(damaged).success);
  }
});

test('without a range, anything may run before', (t) => {
  t.deepEqual(upgradePaths(undefined), []);
});
