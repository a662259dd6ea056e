import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { staticBusybox } from './busybox.ts';

/** A release as `ship` uploads it, with images of a few hundred kilobytes: busybox serving a version over HTTP. */
export interface SampleRelease {
  readonly version: string;
  readonly services: readonly SampleService[];
  readonly secrets?: readonly string[];
  readonly dataVersion?: number;
  readonly domain?: string;
  readonly platform?: string;
  readonly timeoutSeconds?: number;
  readonly soakSeconds?: number;
  /** How many releases the device keeps, and of how many bytes (0: any). */
  readonly retention?: readonly [releases: number, bytes: number];
  readonly hostFiles?: readonly SampleHostFile[];
  /** More lines of the plan. */
  readonly plan?: readonly (readonly string[])[];
}

export interface SampleService {
  readonly name: string;
  /** What `/version` answers; makes the image's second layer. */
  readonly content: string;
  /** Published on 127.0.0.1. */
  readonly port?: number;
  /** Published in this way instead: `127.0.0.1:8081-8082:80`. */
  readonly ports?: string;
  /** `/cgi-bin/slow` answers `/version` after a second. */
  readonly slow?: boolean;
  /** A rendered file for the proxy in front. */
  readonly maintenancePage?: string;
  readonly command?: readonly string[];
  /** Fields of the plan's probe lines, behind the service's name. */
  readonly probes?: readonly (readonly string[])[];
  /** A rendered file, mounted at /etc/sample.conf. */
  readonly file?: string;
  readonly restart?: string;
  /** Default: SIGKILL. Process 1 of a container ignores SIGTERM unless it handles it: it then takes ten seconds to stop. */
  readonly stopSignal?: string;
  readonly oneshot?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck?: readonly string[];
  /** How often it runs; default `1s`. */
  readonly healthInterval?: string;
  /** Tell in the plan what `/version` and busybox are in the image. */
  readonly samples?: boolean;
  /** Write other layer digests into the plan than the archive holds. */
  readonly wrongPlan?: boolean;
  /** Adds a file of zeros to the image, which compress to next to nothing. */
  readonly paddingMiB?: number;
  /** Send images/COMPONENT.size along. */
  readonly sizeHint?: boolean;
}

/** A file on the host itself, outside containers. */
export interface SampleHostFile {
  readonly path: string;
  readonly content: string;
  /** Default: 0644. */
  readonly mode?: string;
  /** Default: none. */
  readonly action?: string;
}

export const project = 'sample';

/** Writes the release into `directory`/ID and returns its id. */
export async function writeSampleRelease(directory: string, release: SampleRelease): Promise<string> {
  const id = `${release.version}-${sha256(JSON.stringify(release)).slice(0, 12)}`;
  const target = path.join(directory, id);
  const platform = release.platform ?? 'linux-amd64';
  const files = new Map<string, string | Buffer>();
  const plan: (readonly (string | number)[])[] = [['format', 1], ['id', id], ['name', project], ['version', release.version]];
  const compose: Record<string, unknown> = {};
  const archives = new Map<string, Buffer>();
  const hints = new Map<string, string>();
  for (const service of release.services) {
    const image = await sampleImage(service);
    const diffIds = service.wrongPlan ? image.diffIds.toReversed() : image.diffIds;
    plan.push(['image', service.name, image.reference, image.configDigest, diffIds.join(',')]);
    if (service.samples) for (const sample of image.samples) plan.push(['sample', service.name, ...sample]);
    archives.set(`images/${service.name}.tar.gz`, image.archive);
    if (service.sizeHint) hints.set(`images/${service.name}.size`, `${image.sizeBytes}\n`);
    if (service.file !== undefined) {
      const name = `${service.name}.conf`;
      files.set(`files/${fileHash(service.file)}/${name}`, service.file);
      plan.push(['file', fileHash(service.file), name, '0640', 7, 8]);
    }
    if (service.maintenancePage !== undefined) {
      const hash = fileHash(service.maintenancePage);
      files.set(`files/${hash}/sorry.html`, service.maintenancePage);
      plan.push(['file', hash, 'sorry.html', '0600', 0, 0], ['maintenance', service.name, hash, 'sorry.html']);
    }
    compose[service.name] = composeService(service, image.reference);
  }
  for (const { path: target, content, mode = '0644', action = '-' } of release.hostFiles ?? []) {
    const name = target.slice(1).replaceAll('/', '-');
    files.set(`files/${fileHash(content)}/${name}`, content);
    plan.push(['file', fileHash(content), name, mode, 0, 0], ['hostfile', fileHash(content), name, target, action]);
  }
  for (const secret of release.secrets ?? []) plan.push(['secret', secret]);
  for (const { name, oneshot } of release.services) plan.push(['service', name, name], ...(oneshot ? [['oneshot', name]] : []));
  for (const { name, probes = [] } of release.services) for (const probe of probes) plan.push(['probe', name, ...probe]);
  plan.push(...(release.plan ?? []));
  plan.push(['gate', release.timeoutSeconds ?? 20, release.soakSeconds ?? 0]);
  plan.push(['data', release.dataVersion ?? 1, 'data']);
  if (release.retention) plan.push(['retention', ...release.retention]);
  files.set('compose.yaml', JSON.stringify({ services: compose, volumes: { data: {} } }));
  files.set('release.json', JSON.stringify(manifest(id, release), null, 2));
  files.set(`plans/${platform}.plan`, plan.map((fields) => `${fields.join('\t')}\n`).join(''));
  files.set('SHA256SUMS', sums([...files, ...archives]));
  files.set('UPLOAD.sha256', sums([...archives]));
  files.set('platform', `${platform}\n`);
  for (const [name, content] of [...files, ...archives, ...hints]) {
    await mkdir(path.dirname(path.join(target, name)), { recursive: true });
    await writeFile(path.join(target, name), content);
  }
  await chmod(target, 0o700);
  return id;
}

/** As `release.json` has it, but for images and files: the updater reads the plan, not this. */
function manifest(id: string, { version, services, secrets = [], dataVersion = 1, timeoutSeconds = 20, soakSeconds = 0, domain = 'sample.example' }: SampleRelease): object {
  return {
    format: 1,
    id,
    name: project,
    version,
    domain,
    recipe: { name: 'sample', version: '1' },
    images: [],
    compose: { path: 'compose.yaml', sizeBytes: 0, digest: `sha256:${sha256('')}` },
    files: [],
    rollout: { services: services.map(({ name }) => ({ name, component: name, probes: [] })), timeoutSeconds, soakSeconds },
    data: { version: dataVersion, volumes: ['data'] },
    secrets,
  };
}

function composeService(service: SampleService, reference: string): object {
  return {
    image: reference,
    restart: service.restart ?? (service.oneshot ? 'no' : 'unless-stopped'),
    stop_signal: service.stopSignal ?? 'SIGKILL',
    volumes: [
      'data:/data',
      ...(service.file === undefined
        ? []
        : [`/var/lib/prose-ship/files/${fileHash(service.file)}/${service.name}.conf:/etc/sample.conf:ro`]),
    ],
    ...(service.port ? { ports: [`127.0.0.1:${service.port}:80`] } : {}),
    ...(service.ports ? { ports: [service.ports] } : {}),
    ...(service.command ? { command: service.command } : {}),
    ...(service.environment ? { environment: service.environment } : {}),
    ...(service.healthcheck ? { healthcheck: { test: ['CMD', ...service.healthcheck], interval: service.healthInterval ?? '1s', retries: 1 } } : {}),
  };
}

/** A docker-archive of two layers: busybox (the same in all), and the content. */
async function sampleImage(service: SampleService) {
  const busybox = await readFile(await staticBusybox());
  const layers = [
    await tar([['bin/busybox', busybox, 0o755], ['bin/sh', '/bin/busybox', 'link']]),
    await tar([[`www/version`, service.content, 0o644], ['data/.keep', '', 0o644], ...slowAnswer(service), ...padding(service)]),
  ];
  const diffIds = layers.map((layer) => `sha256:${sha256(layer)}`);
  const config = JSON.stringify({
    os: 'linux',
    architecture: 'amd64',
    config: { Cmd: service.command ?? ['/bin/busybox', 'httpd', '-f', '-p', '80', '-h', '/www'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
  });
  const reference = `sample/${service.name}:${sha256(config).slice(0, 12)}`;
  const manifest = [{ Config: 'config.json', RepoTags: [reference], Layers: ['0.tar', '1.tar'] }];
  const archive = await tar([
    ['config.json', config, 0o644],
    ['0.tar', layers[0]!, 0o644],
    ['1.tar', layers[1]!, 0o644],
    ['manifest.json', JSON.stringify(manifest), 0o644],
  ]);
  const samples = [
    ['bin/busybox', busybox.length, sha256(busybox)],
    ['www/version', service.content.length, sha256(service.content)],
  ] as const;
  return { samples, reference, configDigest: `sha256:${sha256(config)}`, diffIds, sizeBytes: archive.length, archive: gzipSync(archive, { level: 1 }) };
}

type Entry = readonly [name: string, content: string | Buffer, mode: number | 'link'];

function slowAnswer({ slow }: SampleService): Entry[] {
  const script = '#!/bin/sh\n/bin/busybox sleep 1\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\n/bin/busybox cat /www/version\n';
  return slow ? [['www/cgi-bin/slow', script, 0o755]] : [];
}

function padding({ paddingMiB }: SampleService): Entry[] {
  return paddingMiB ? [['padding', Buffer.alloc(paddingMiB * 2 ** 20), 0o644]] : [];
}

async function tar(entries: readonly Entry[]): Promise<Buffer> {
  const stream = pack();
  for (const [name, content, mode] of entries) {
    const mtime = new Date(0);
    if (mode === 'link') stream.entry({ name, mtime, type: 'symlink', linkname: content.toString() });
    else stream.entry({ name, mtime, mode }, content);
  }
  stream.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function sums(files: readonly (readonly [string, string | Buffer])[]): string {
  return files.map(([name, content]) => `${sha256(content)}  ${name}\n`).join('');
}

function fileHash(content: string): string {
  return sha256(content).slice(0, 16);
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
