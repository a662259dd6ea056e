import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { proseShip, type CommandLineResult } from '../command-line.ts';
import { siteName, writeProsodySite } from './prosody-site.ts';
import { createThrowawayHost, type ThrowawayHost } from '../hosts/throwaway-host.ts';

const repository = path.resolve(import.meta.dirname, '../../..');
/** Containers of such hosts run under emulation. */
export const armPlatform = 'linux-arm64';

/** Releases of the prosody recipe, really built, below a folder. */
export class ProsodyReleases {
  /** By version. */
  readonly directories: Record<string, string> = {};
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** A copy of the prosody recipe with a short soak and what else is changed in its text; returns its folder. */
  async writeRecipe(name: string, change: (text: string) => string): Promise<string> {
    const target = path.join(this.#directory, 'recipes', name);
    await cp(path.join(repository, 'recipes/prosody'), target, { recursive: true });
    const file = path.join(target, 'recipe.yaml');
    const text = await readFile(file, 'utf8');
    const changed = change(text.replace(/soakSeconds: \d+/, 'soakSeconds: 1'));
    await writeFile(file, changed);
    return target;
  }

  async makeRelease(version: string, componentVersion: string, recipe: string): Promise<CommandLineResult> {
    const site = await writeProsodySite({ directory: path.join(this.#directory, 'site'), version, componentVersion, recipe });
    const made = await proseShip(['release', '--config', site, '--output', path.join(this.#directory, 'build')]);
    this.directories[version] = path.join(this.#directory, 'build/release', `${siteName}-${version}`);
    return made;
  }
}

export function environmentOf(host: ThrowawayHost): Record<string, string> {
  return { PROSE_SHIP_SSH_CONFIG: host.sshConfigFile };
}

/** A host that takes releases for linux/arm64. */
export async function createArmHost(name: string, options: Parameters<typeof createThrowawayHost>[0] = {}): Promise<ThrowawayHost> {
  const host = await createThrowawayHost({ name, ...options });
  await host.exec(`mkdir -p /etc/prose-ship && echo ${armPlatform} >/etc/prose-ship/platforms`);
  return host;
}
