import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { archiveComponent } from '../../../src/build/archive-images.ts';
import { createContext } from '../../../src/context.ts';
import { ShipError } from '../../../src/errors.ts';
import { releaseManifestSchema } from '../../../src/release/manifest-schema.ts';
import { packRelease, releaseDirectory, type PackResult } from '../../../src/release/pack-release.ts';
import { readRelease } from '../../../src/release/read-release.ts';
import { rolloutPlan } from '../../../src/release/rollout-plan.ts';
import { verifyRelease } from '../../../src/release/verify-release.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { imageLayout } from '../../support/releases/image-layout.ts';
import { packedRelease } from '../../support/releases/packed-release.ts';
import { writeParts } from '../../support/site/recipe-site.ts';

const platform = { os: 'linux', architecture: 'arm64' };
const top = `host:
  files:
    - {path: /etc/nginx/sites-enabled/demo.conf, template: page, mode: '0640', owner: '0:33', action: nginx}
    - {path: /etc/own.conf, template: page, action: idle}
  actions:
    - {name: nginx, check: [nginx, -t, -q], apply: [nginx, -s, reload], timeoutSeconds: 30}
    - {name: idle, apply: ['true']}
  checks:
    - {name: pages, command: [curl, --fail, 'http://{{ site.domain }}/']}
    - {name: never, command: ['false'], when: false}
`;

async function pack(t: ExecutionContext, page: string): Promise<PackResult> {
  const variables = '  token: {type: secret, description: Made by the host., generate: true}\n';
  const directory = await writeParts(t, { variables, top, site: 'platforms: [linux/arm64]\n', files: { page } });
  const context = createContext();
  const deployment = await loadDeployment(context, path.join(directory, 'prose-ship.yaml'));
  const layoutDirectory = await imageLayout([{ 'etc/base': 'base\n' }], { platform: 'linux/arm64' });
  const [component] = deployment.recipe.components;
  const archives = await archiveComponent(context, { ...component!, layoutDirectory, platforms: deployment.site.platforms }, directory);
  return packRelease(deployment, archives, releaseDirectory(directory, deployment));
}

test('a release carries files of the host, and its plan says where they go and what follows', async (t) => {
  const { directory, manifest } = await pack(t, "{{ site.domain }} {{ 'token' | secret_file }}\n");
  const [nginx, own] = manifest.host?.files ?? [];
  t.like(nginx, { path: '/etc/nginx/sites-enabled/demo.conf', action: 'nginx' });
  const hash = (file: string) => file.split('/')[1] ?? '';
  t.deepEqual(
    rolloutPlan(manifest, platform).split('\n').filter((line) => /^(file|host|action|secret)/.test(line)),
    [
      `file\t${hash(nginx!.file)}\tetc-nginx-sites-enabled-demo.conf\t0640\t0\t33`,
      `file\t${hash(own!.file)}\tetc-own.conf\t0644\t0\t0`,
      'secret\ttoken\tgenerate',
      `hostfile\t${hash(nginx!.file)}\tetc-nginx-sites-enabled-demo.conf\t/etc/nginx/sites-enabled/demo.conf\tnginx`,
      `hostfile\t${hash(own!.file)}\tetc-own.conf\t/etc/own.conf\tidle`,
      'action\tnginx\t30',
      'action-check\tnginx\tnginx\t-t\t-q',
      'action-apply\tnginx\tnginx\t-s\treload',
      'action\tidle\t60',
      'action-apply\tidle\ttrue',
      'host-check\tpages\tcurl\t--fail\thttp://example.org/',
    ],
  );
  t.deepEqual((await readRelease(directory)).manifest, manifest);
  await t.notThrowsAsync(verifyRelease(directory));
});

test('verify finds a file of the host that was changed', async (t) => {
  const { directory, manifest } = await pack(t, 'page\n');
  await writeFile(path.join(directory, manifest.host!.files[0]!.file), 'pages\n');
  const error = await t.throwsAsync<ShipError>(verifyRelease(directory), { instanceOf: ShipError });
  t.is(error.code, 'E_RELEASE_DAMAGED');
  t.regex(error.message, /etc-nginx-sites-enabled-demo\.conf has 6 bytes instead of 5/);
});

test('a damaged manifest can neither write anywhere nor run half a command', async (t) => {
  const { manifest } = await pack(t, 'page\n');
  const host = manifest.host!;
  const [file] = host.files;
  const [action] = host.actions;
  t.true(releaseManifestSchema.safeParse(manifest).success);
  for (const damaged of [
    { host: { ...host, files: [{ ...file!, path: '/etc/../root/x' }] } },
    { host: { ...host, files: [{ ...file!, path: '/etc/a\tb' }] } },
    { host: { ...host, files: [{ ...file!, file: 'compose.yaml' }] } },
    { host: { ...host, files: [{ ...file!, action: 'reboot' }] } },
    { host: { ...host, actions: [{ ...action!, apply: [] }] } },
    { host: { ...host, checks: [{ name: 'pages', command: [] }] } },
    { host: { ...host, actions: [{ ...action!, apply: ['nginx', ''] }] } },
    { generatedSecrets: ['other'] },
  ]) {
    t.false(releaseManifestSchema.safeParse({ ...manifest, ...damaged }).success, JSON.stringify(damaged));
  }
});

test('a recipe that has none of this says nothing of it', async (t) => {
  const { manifest } = await packedRelease([{ 'etc/base': 'base\n' }]);
  t.deepEqual(Object.keys(manifest).filter((key) => /host|generated|profile|steps/.test(key)), []);
});
