import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { writeArchive } from '../../src/oci/archive/write-archive.ts';
import { shortDigest } from '../../src/oci/digest.ts';
import type { LayoutImage } from '../../src/oci/layout.ts';
import { packRelease } from '../../src/release/pack-release.ts';
import type { Release } from '../../src/release/read-release.ts';
import type { Deployment } from '../../src/site/model.ts';
import { ownPlatform } from './image.ts';

const compose = `name: {{ site.name | json }}
services:
  app:
    image: {{ 'app' | image }}
    restart: unless-stopped
`;

/** The reference that a build would give the image. */
export function referenceOf(image: LayoutImage): string {
  return `prose-ship/bench:1.0.0-${shortDigest(image.configDigest)}`;
}

/** Archive and release of one image, by the functions that `prose-ship release` uses; `directory` must exist. */
export async function makeRelease(image: LayoutImage, directory: string, version: string): Promise<Release> {
  const file = path.join(directory, `app-${version}.tar.zst`);
  await writeArchive(image, referenceOf(image), file);
  const archives = [{ component: 'app', platform: ownPlatform(), file }];
  return packRelease(await sampleDeployment(directory, version), archives, path.join(directory, `bench-${version}`));
}

async function sampleDeployment(directory: string, version: string): Promise<Deployment> {
  const composeTemplate = path.join(directory, 'compose.yaml');
  await writeFile(composeTemplate, compose);
  const component = {
    name: 'app',
    repository: 'prose-ship/bench',
    version: '1.0.0',
    source: { kind: 'local' as const, directory },
    dockerfile: path.join(directory, 'Dockerfile'),
    args: {},
    secrets: {},
    bases: [],
  };
  return {
    site: {
      file: path.join(directory, 'prose-ship.yaml'),
      name: 'bench',
      version,
      domain: 'chat.example.org',
      platforms: [ownPlatform()],
      hosts: [],
    },
    recipe: {
      file: path.join(directory, 'recipe.yaml'),
      directory,
      name: 'bench',
      version: '1.0.0',
      components: [component],
      composeTemplate,
      files: [],
      rollout: { services: [{ name: 'app', component: 'app', probes: [] }], timeoutSeconds: 60, soakSeconds: 0 },
      requires: {},
      data: { version: 1, volumes: [] },
    },
    variables: {},
  };
}
