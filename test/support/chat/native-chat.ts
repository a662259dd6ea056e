import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import { createThrowawayHost, type ThrowawayHost } from '../hosts/throwaway-host.ts';
import { proseShip, type CommandLineResult } from '../command-line.ts';
import type { Login } from './laptop.ts';
import { environmentOf } from './prosody-releases.ts';

/** That of this machine's processor: nothing is emulated. */
export const nativePlatform = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64';

/** A throw-away host and the releases of prosody that are built and rolled out to it through the command line. */
export class NativeChat {
  readonly host: ThrowawayHost;
  readonly #directory: string;

  private constructor(directory: string, host: ThrowawayHost) {
    this.#directory = directory;
    this.host = host;
  }

  /** A host that takes releases, with what stands for its systemd, and a route as if it had a way to the internet. */
  static async create(directory: string, name: string): Promise<NativeChat> {
    const place = path.join(directory, name);
    await mkdir(place, { recursive: true });
    const chat = new NativeChat(place, await createThrowawayHost({ name }));
    const standIn = await readFile(path.join(import.meta.dirname, 'systemctl-stand-in.sh'));
    const prepared = await chat.host.exec('cat >/usr/local/sbin/systemctl && chmod 0755 /usr/local/sbin/systemctl && ip route add 192.0.2.0/24 dev eth0', { input: standIn });
    if (prepared.exitCode !== 0) throw new Error(prepared.stderr);
    await chat.succeed(['provision', name]);
    return chat;
  }

  /** A verb against the host; never throws for its exit status. */
  ship(args: readonly string[], input = ''): Promise<CommandLineResult> {
    return proseShip(args, { environment: environmentOf(this.host), cwd: this.#directory, input });
  }

  async succeed(args: readonly string[], input = ''): Promise<CommandLineResult> {
    const result = await this.ship(args, input);
    if (result.exitCode !== 0) throw new Error(`prose-ship ${args.join(' ')}: ${result.stderr}`);
    return result;
  }

  /** Builds a release of a site of the recipe as it is, and returns its folder. */
  async release(version: string, site: Readonly<Record<string, unknown>>): Promise<string> {
    const file = path.join(this.#directory, 'prose-ship.yaml');
    await writeFile(file, stringify({ schema: 1, name: 'chat', recipe: 'prosody', platforms: [nativePlatform], ...site, version }));
    await this.succeed(['release', '--config', file, '--output', path.join(this.#directory, 'build')]);
    return path.join(this.#directory, `build/release/chat-${version}`);
  }

  /** The same, and rolls it out. */
  async update(version: string, site: Readonly<Record<string, unknown>>): Promise<string> {
    const release = await this.release(version, site);
    await this.succeed(['update', this.host.name, '--release', release]);
    return release;
  }

  async addAccounts(logins: readonly Login[]): Promise<void> {
    for (const { jid, password } of logins) await this.succeed(['account', 'add', this.host.name, jid, '--password-stdin'], `${password}\n`);
  }

  /** Runs on the host as root; throws unless it succeeds. Returns what it printed. */
  async inside(script: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.host.exec(script);
    if (exitCode !== 0) throw new Error(`${script}: ${stderr}${stdout}`);
    return stdout;
  }
}
