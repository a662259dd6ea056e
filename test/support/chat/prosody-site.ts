import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

export interface ProsodySite {
  readonly directory: string;
  readonly version: string;
  /** Of the component: raising it changes the image's last, small layer. */
  readonly componentVersion?: string;
  readonly platforms?: readonly string[];
  /** A built-in recipe or a path. */
  readonly recipe?: string;
}

export const domain = 'chat.example.org';
export const siteName = 'chat';

/** Writes the site that demo and tests deploy; returns its file. */
export async function writeProsodySite(site: ProsodySite): Promise<string> {
  const { directory, version, componentVersion, platforms = ['linux/arm/v7', 'linux/arm64'], recipe = 'prosody' } = site;
  await mkdir(directory, { recursive: true });
  const file = path.join(directory, 'prose-ship.yaml');
  const lines = [
    'schema: 1',
    `name: ${siteName}`,
    `version: ${version}`,
    `recipe: ${recipe}`,
    `domain: ${domain}`,
    `platforms: [${platforms.join(', ')}]`,
    'variables: {federation: false}',
    ...(componentVersion ? [`components: {server: {version: ${componentVersion}}}`] : []),
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  return file;
}
