import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { archiveComponent } from '../../../src/build/archive-images.ts';
import { createContext } from '../../../src/context.ts';
import { devicePaths } from '../../../src/device/files.ts';
import { packRelease, releaseDirectory } from '../../../src/release/pack-release.ts';
import type { Release } from '../../../src/release/read-release.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { staticBusybox } from '../../device/busybox.ts';
import { imageLayout } from '../../support/releases/image-layout.ts';

/**
 * A small stack with data: `records` appends what it is asked to a file of its volume and answers once that is on the
 * disk; `page` only answers its version. Data has a format that only goes up: an older version refuses newer data.
 */
export interface RecordsRelease {
  readonly version: string;
  /** Of the component `page`. */
  readonly pageVersion: string;
  readonly dataVersion: number;
  /** How long its gate may take. */
  readonly gateSeconds: number;
  /** A release whose gate never passes. */
  readonly failing: boolean;
  /** It has files for the host itself, which reader.sh there takes in. */
  readonly hostFiles: boolean;
  /** What does not compress in the image of `page`, so that its upload takes a while. */
  readonly ballastKiB: number;
}

export const project = 'records';
export const recordsPort = 8080;
export const pagePort = 8081;
const reader = '/usr/local/bin/reader.sh';
const platform = 'linux/amd64';

const startScript = `#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /www/cgi-bin && $b ln -sf /bin/append /www/cgi-bin/append
[ ! -d /data ] || {
  format=$($b cat /www/format) found=$($b cat /data/format 2>/dev/null)
  if [ "\${found:-0}" -gt "$format" ]; then echo "the data has format $found, newer than $format"; exit 1; fi
  [ "$found" = "$format" ] || echo "$format" >/data/format || exit 1
}
exec $b httpd -f -p 80 -h /www
`;

/** Answers only for what it reads again: a full disk must not be taken for a record. */
const appendScript = `#!/bin/busybox sh
b=/bin/busybox
echo "$QUERY_STRING" >>/data/records && $b sync /data/records && [ "$($b tail -n 1 /data/records)" = "$QUERY_STRING" ] ||
  { printf 'Status: 500 Failed\\r\\n\\r\\n'; exit 1; }
printf 'Content-Type: text/plain\\r\\n\\r\\nkept %s\\n' "$($b cat /www/version)"
`;

export async function recordsRelease(directory: string, { version, pageVersion, dataVersion, gateSeconds, failing, hostFiles, ballastKiB }: RecordsRelease): Promise<Release> {
  const context = createContext();
  const place = path.join(directory, version);
  await mkdir(path.join(place, 'recipe'), { recursive: true });
  // One that changes each time, and one that comes and goes.
  const siteFiles = hostFiles ? ['site.conf', `only-${version}.conf`] : [];
  const probe = (port: number, page: string): string => `{type: http, url: 'http://127.0.0.1:${port}/${page}', status: 200}`;
  const service = (name: string, port: number): string[] => [
    `  ${name}:`,
    `    image: {{ '${name}' | image }}`,
    '    restart: unless-stopped',
    // Process 1 of a container ignores SIGTERM unless it handles it; a scenario need not wait for that.
    '    stop_signal: SIGKILL',
    `    ports: ['127.0.0.1:${port}:80']`,
  ];
  const files = {
    'prose-ship.yaml': `schema: 1\nname: ${project}\nversion: ${version}\nrecipe: ./recipe\ndomain: example.org\nplatforms: [${platform}]\n`,
    'recipe/Dockerfile': 'FROM scratch\n',
    'recipe/recipe.yaml': [
      ...['schema: 1', 'name: records', 'version: 1.0.0', 'description: Records.', 'components:'],
      `  page: {image: example/page, version: '${pageVersion}', source: ., dockerfile: Dockerfile}`,
      `  records: {image: example/records, version: '${version}', source: ., dockerfile: Dockerfile}`,
      'rollout:',
      `  timeoutSeconds: ${failing ? 1 : gateSeconds}`,
      '  soakSeconds: 0',
      '  services:',
      `    - {name: page, component: page, probes: [${probe(pagePort, failing ? 'nothing' : 'version')}]}`,
      `    - {name: records, component: records, probes: [${probe(recordsPort, 'version')}]}`,
      `data: {version: ${dataVersion}, volumes: [data]}`,
      ...(hostFiles ? ['host:', '  files:', ...siteFiles.map((name) => `    - {path: /etc/records/${name}, template: site.conf, action: reader}`)] : []),
      ...(hostFiles ? ['  actions:', `    - {name: reader, check: [${reader}, check], apply: [${reader}]}`] : []),
      '',
    ].join('\n'),
    'recipe/compose.yaml': [
      ...['name: {{ site.name | json }}', 'services:', ...service('page', pagePort), ...service('records', recordsPort)],
      ...["    volumes: ['data:/data']", 'volumes:', '  data:', ''],
    ].join('\n'),
  };
  if (hostFiles) await writeFile(path.join(place, 'recipe/site.conf'), `version = ${version}\n`);
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(place, name), content);
  const deployment = await loadDeployment(context, path.join(place, 'prose-ship.yaml'));
  const busybox = await readFile(await staticBusybox());
  const archives = [];
  for (const component of deployment.recipe.components) {
    const isPage = component.name === 'page';
    const content = {
      ...{ 'bin/start': startScript, 'bin/append': appendScript, 'www/version': isPage ? pageVersion : version, 'www/name': component.name },
      ...(isPage ? { ballast: randomBytes(ballastKiB * 1024) } : { 'www/format': String(dataVersion) }),
    };
    const layoutDirectory = await imageLayout([{ 'bin/busybox': busybox }, content], { platform, config: { Cmd: ['/bin/start'] } });
    archives.push(...(await archiveComponent(context, { ...component, layoutDirectory, platforms: deployment.site.platforms }, place)));
  }
  return packRelease(deployment, archives, releaseDirectory(place, deployment));
}

/** Lays a release into the drop zone of a host whose disk is at `root`, as a finished upload leaves it. */
export async function layDown({ directory, manifest }: Release, root: string): Promise<void> {
  const target = path.join(root, devicePaths.incomingDirectory, manifest.id);
  const sums: string[] = [];
  const put = async (from: string, to: string): Promise<void> => {
    await mkdir(path.dirname(path.join(target, to)), { recursive: true });
    await copyFile(path.join(directory, from), path.join(target, to));
  };
  const plans = ['plans/linux-amd64.plan'];
  const small = ['release.json', 'SHA256SUMS', manifest.compose.path, ...manifest.files.map((file) => file.path), ...plans];
  for (const name of small) await put(name, name);
  for (const { component, archive } of manifest.images) {
    const name = `images/${component}.tar.zst`;
    await put(archive.path, name);
    sums.push(`${archive.digest.slice('sha256:'.length)}  ${name}\n`);
  }
  await writeFile(path.join(target, 'UPLOAD.sha256'), sums.join(''));
  await writeFile(path.join(target, 'platform'), 'linux-amd64\n');
}
