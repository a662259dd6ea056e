import { copyFile, cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createContext, type Context } from '../../src/context.ts';
import { devicePaths } from '../../src/device/files.ts';
import { run } from '../../src/host/process.ts';
import type { Release } from '../../src/release/read-release.ts';
import { withDevice } from '../../src/ship/device.ts';
import { provisionTasks } from '../../src/ship/provision.ts';
import type { Transport } from '../../src/ship/preflight.ts';
import { prepareUpdate, updateTasks } from '../../src/ship/update.ts';
import type { Host } from '../../src/site/model.ts';
import { runTasks } from '../../src/tasks.ts';
import { createThrowawayHost, type ThrowawayHost } from '../../test/support/hosts/throwaway-host.ts';
import type { Case } from './cases.ts';
import { Line } from '../../test/support/long-line/line.ts';
import { debianProgram } from './programs.ts';

const site = 'schema: 1\nname: bench\nversion: 1.0.0\nrecipe: prosody\ndomain: chat.example.org\n';
const program = path.resolve(import.meta.dirname, '../../src/cli/main.js');
const name = 'far';
/** What stands on the host of the tarballs that were copied there for the release before. */
const before = '/var/tmp/before.tar';
export const copied = '/var/tmp/app.tar';

/** The host at the far end of the line: one engine for all ways, with the release before on it. */
export class PeerHost {
  readonly throwaway: ThrowawayHost;
  readonly line: Line;
  /** For `ssh -F`; the host is `name` there. */
  readonly sshConfigFile: string;
  readonly name = name;
  readonly #context: Context;
  readonly #directory: string;
  readonly #host: Host = { name, address: name };
  #keptImages: readonly string[] = [];

  private constructor(context: Context, throwaway: ThrowawayHost, line: Line, directory: string) {
    this.throwaway = throwaway;
    this.line = line;
    this.#directory = directory;
    this.sshConfigFile = path.join(directory, 'ssh_config');
    this.#context = createContext({ ...context, environment: { ...context.environment, PROSE_SHIP_SSH_CONFIG: this.sshConfigFile } });
  }

  static async create(context: Context, directory: string, mbitPerSecond: number): Promise<PeerHost> {
    const throwaway = await createThrowawayHost({ store: 'overlay2' });
    try {
      const line = await Line.to({ host: throwaway.address, port: 22, mbitPerSecond });
      const host = new PeerHost(context, throwaway, line, directory);
      const config = await readFile(throwaway.sshConfigFile, 'utf8');
      const ours = config.replace(/^Host .*$/m, `Host ${name}`).replace(/^ {2}HostName .*$/m, `  HostName 127.0.0.1\n  Port ${line.port}\n  HostKeyAlias ${throwaway.address}`);
      await writeFile(host.sshConfigFile, ours);
      await copyFile(await debianProgram(context, 'rsync'), path.join(throwaway.root, 'usr/local/bin/rsync'));
      await withDevice(host.#context, host.#host, {}, (device) => runTasks(host.#context, provisionTasks(device)));
      return host;
    } catch (error) {
      await throwaway.destroy();
      throw error;
    }
  }

  /** The release before runs, its tarball lies there; later resets return to this. */
  async settle(first: Case): Promise<void> {
    await this.#ship(first.release, { rollout: true });
    await this.pushByCommand(first.release, ['--dry-run']); // fills the compile cache
    await cp(first.tarball, path.join(this.throwaway.root, before), { preserveTimestamps: true });
    await this.#sh(`cp -a ${devicePaths.stateDirectory}/journal /var/tmp/journal`);
    this.#keptImages = (await this.#images()).split('\n');
  }

  /** The same for every way: no image, upload or release that came later is left, and nothing is left to be written. */
  async reset(): Promise<void> {
    const state = devicePaths.stateDirectory;
    const later = (await this.#images()).split('\n').filter((image) => image !== '' && !this.#keptImages.includes(image));
    if (later.length > 0) await this.#sh(`docker image rm --force ${later.join(' ')} >/dev/null`);
    await this.#sh(`
      for release in ${state}/releases/*; do
        [ "$(readlink ${state}/current)" = "releases/\${release##*/}" ] || rm -rf "$release"
      done
      rm -rf ${devicePaths.incomingDirectory}/* ${copied} && cp -p ${before} ${copied} && cp -a /var/tmp/journal ${state}/journal && sync`);
  }

  /** What `prose-ship push` does behind the command line: until the images are loaded and verified there. */
  async push(release: Release, transport: Transport = 'sftp'): Promise<void> {
    await this.#ship(release, { rollout: false, transport });
  }

  async #ship(release: Release, options: { readonly rollout: boolean; readonly transport?: Transport }): Promise<void> {
    await withDevice(this.#context, this.#host, { asksInventory: true }, async (device) => {
      const prepared = await prepareUpdate(device, release);
      await runTasks(this.#context, updateTasks(this.#context, device, release, prepared, options));
    });
  }

  /** The whole program in a process of its own, with a site of the built-in recipe beside it as people have one. */
  async pushByCommand(release: Release, more: readonly string[] = []): Promise<void> {
    await writeFile(path.join(this.#directory, 'prose-ship.yaml'), site);
    const args = [program, 'push', name, '--release', release.directory, '--json', ...more];
    const env = { NODE_COMPILE_CACHE: path.join(this.#directory, 'compile-cache'), PROSE_SHIP_SSH_CONFIG: this.sshConfigFile };
    await run(this.#context, { program: process.execPath, args, cwd: this.#directory, env });
  }

  async requireImage(reference: string, diffIds: readonly string[]): Promise<void> {
    const stdout = await this.#sh(`docker image inspect --format '{{json .RootFS.Layers}}' ${reference}`);
    if (stdout.trim() !== JSON.stringify(diffIds)) throw new Error(`${reference} has other layers on the host: ${stdout}`);
  }

  async #images(): Promise<string> {
    return this.#sh("docker image ls --format '{{.Repository}}:{{.Tag}}'");
  }

  async #sh(script: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.throwaway.exec(`set -e\n${script}`, { timeoutMs: 120_000 });
    if (exitCode !== 0) throw new Error(`${script} on the host: ${stderr}`);
    return stdout;
  }

  async destroy(): Promise<void> {
    await this.line[Symbol.asyncDispose]();
    await this.throwaway.destroy();
  }
}
