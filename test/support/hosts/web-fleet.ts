import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Release } from '../../../src/release/read-release.ts';
import { proseShip, type CommandLineResult } from '../command-line.ts';
import { webRelease } from '../releases/web-release.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { createThrowawayHost, type ThrowawayHost, type ThrowawayHostOptions } from './throwaway-host.ts';

/** What a verb tells of one host. */
export interface ShippedHost {
  readonly host: string;
  readonly state: string;
  readonly wave?: number;
  readonly error?: { readonly code: string };
}

/** Provisioned throw-away hosts and two releases of a small web server: 1.0.0 answers on port 8081, 1.0.1 on 8082. */
export class WebFleet {
  readonly names: readonly string[];
  readonly #hosts = new Map<string, ThrowawayHost>();
  #prepared: { readonly first: Release; readonly second: Release; readonly environment: Readonly<Record<string, string>> } | undefined;

  constructor(names: readonly string[]) {
    this.names = names;
  }

  /** @param optionsOf of hosts that are not like the others */
  async start(optionsOf: Readonly<Record<string, ThrowawayHostOptions>> = {}): Promise<void> {
    const directory = await temporaryDirectory('fleet');
    const first = await webRelease(directory, { version: '1.0.0', port: 8081 });
    const second = await webRelease(directory, { version: '1.0.1', port: 8082 });
    for (const name of this.names) this.#hosts.set(name, await createThrowawayHost({ name, ...optionsOf[name] }));
    const configs = await Promise.all([...this.#hosts.values()].map(({ sshConfigFile }) => readFile(sshConfigFile, 'utf8')));
    const config = path.join(directory, 'ssh_config');
    await writeFile(config, [...configs, 'Host *\n  ConnectTimeout 4\n'].join('\n'));
    this.#prepared = { first, second, environment: { PROSE_SHIP_SSH_CONFIG: config } };
    const provisioned = await this.ship('provision', ...this.names);
    if (provisioned.exitCode !== 0) throw new Error(provisioned.stderr);
  }

  /** Also after a start that failed. */
  async destroy(): Promise<void> {
    await Promise.all([...this.#hosts.values()].map((host) => host.destroy()));
  }

  get first(): Release {
    return this.#parts().first;
  }

  get second(): Release {
    return this.#parts().second;
  }

  get environment(): Readonly<Record<string, string>> {
    return this.#parts().environment;
  }

  host(name: string): ThrowawayHost {
    const found = this.#hosts.get(name);
    if (!found) throw new Error(`${name} was not made`);
    return found;
  }

  ship(...args: string[]): Promise<CommandLineResult> {
    return proseShip(args, { environment: this.environment });
  }

  update(release: Release, ...args: readonly string[]): Promise<CommandLineResult> {
    return this.ship('update', ...args, '--release', release.directory);
  }

  /** What runs on each host, as whoever stands beside it sees it. */
  async running(): Promise<Record<string, string>> {
    const script = 'for port in 8081 8082; do curl -s -m 2 "http://127.0.0.1:$port/version"; done';
    return Object.fromEntries(await Promise.all(this.names.map(async (name) => [name, (await this.host(name).exec(script)).stdout] as const)));
  }

  /** What `running` gives where all are alike, `except` some. */
  everywhere(version: string, except: Readonly<Record<string, string>> = {}): Record<string, string> {
    return { ...Object.fromEntries(this.names.map((name) => [name, version])), ...except };
  }

  /** Something else takes the port of the second release, whose service then cannot start. */
  async takePort(name: string): Promise<void> {
    const command = 'mkdir /srv/other && printf other >/srv/other/version && { busybox httpd -f -p 127.0.0.1:8082 -h /srv/other >/dev/null 2>&1 & echo $! >/run/other.pid; }';
    const { exitCode, stderr } = await this.host(name).exec(command);
    if (exitCode !== 0) throw new Error(stderr);
  }

  async freePort(name: string): Promise<void> {
    await this.host(name).exec('kill $(cat /run/other.pid)');
  }

  #parts() {
    if (!this.#prepared) throw new Error('the fleet has not been started');
    return this.#prepared;
  }
}

/** The hosts of a result, with `--json`. */
export function hostsOf({ result }: CommandLineResult): readonly ShippedHost[] {
  return result['hosts'] as ShippedHost[];
}
