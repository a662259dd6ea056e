import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { archiveComponent } from '../../../src/build/archive-images.ts';
import { createContext } from '../../../src/context.ts';
import { packRelease, releaseDirectory } from '../../../src/release/pack-release.ts';
import type { Release } from '../../../src/release/read-release.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { staticBusybox } from '../../device/busybox.ts';
import { imageLayout } from './image-layout.ts';

const platform = 'linux/amd64';

export interface WebRelease {
  readonly version: string;
  readonly port: number;
  /** Where the gate looks; default: `port`. */
  readonly probedPort?: number;
  /** A secret that the host must hold, from the environment variable of that name in capitals; the page answers `/secret` with it. */
  readonly secret?: string;
}

/** A release that runs on this machine's processor in a second: busybox answers `/version` on 127.0.0.1:`port`, and says so. */
export async function webRelease(directory: string, { version, port, probedPort = port, secret }: WebRelease): Promise<Release> {
  const context = createContext();
  const place = path.join(directory, version);
  await mkdir(path.join(place, 'recipe'), { recursive: true });
  const files = {
    'prose-ship.yaml': `schema: 1\nname: web\nversion: ${version}\nrecipe: ./recipe\ndomain: example.org\nplatforms: [${platform}]\n${secret === undefined ? '' : `secrets: {${secret}: {env: ${secret.toUpperCase()}}}\n`}`,
    'recipe/Dockerfile': 'FROM scratch\n',
    'recipe/recipe.yaml': [
      ...['schema: 1', 'name: web', 'version: 1.0.0', 'description: A version.'],
      'components:',
      `  page: {image: example/page, version: '${version}', source: ., dockerfile: Dockerfile}`,
      ...(secret === undefined ? [] : ['variables:', `  ${secret}: {type: secret, description: A secret.}`]),
      'rollout:',
      '  timeoutSeconds: 15',
      '  soakSeconds: 0',
      `  services: [{name: page, component: page, probes: [{type: http, url: 'http://127.0.0.1:${probedPort}/version', status: 200}]}]`,
      '',
    ].join('\n'),
    // Process 1 of a container ignores SIGTERM unless it handles it; the tests need not wait for that.
    'recipe/compose.yaml': `name: {{ site.name | json }}\nservices:\n  page:\n    image: {{ 'page' | image }}\n    restart: unless-stopped\n    stop_signal: SIGKILL\n    ports: ['127.0.0.1:${port}:80']\n${secret === undefined ? '' : `    volumes: ["{{ '${secret}' | secret_file }}:/www/secret:ro"]\n`}`,
  };
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(place, name), content);
  const deployment = await loadDeployment(context, path.join(place, 'prose-ship.yaml'));
  const [component] = deployment.recipe.components;
  if (!component) throw new Error('the recipe has no component');
  const layers = [{ 'bin/busybox': await readFile(await staticBusybox()) }, { 'www/version': version }];
  const config = { Cmd: ['/bin/busybox', 'httpd', '-f', '-v', '-p', '80', '-h', '/www'] };
  const layoutDirectory = await imageLayout(layers, { platform, config });
  const archives = await archiveComponent(context, { ...component, layoutDirectory, platforms: deployment.site.platforms }, place);
  return packRelease(deployment, archives, releaseDirectory(place, deployment));
}
