import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../src/context.ts';
import type { Engine } from '../../src/host/engine/engine.ts';
import { startPrivateEngine } from '../../src/host/engine/private-engine.ts';
import { run } from '../../src/host/process.ts';
import type { BenchSurroundings } from '../bench.ts';
import { writeSite, type Stack } from './stack.ts';

const program = path.resolve(import.meta.dirname, '../../src/cli/main.js');

export interface Bake {
  readonly ms: number;
  /** Spent on `dpkg --configure`, which is all that runs emulated. */
  readonly emulatedMs: number;
}

/** What all benches of cards use: an engine and a cache of their own, and a site for each stack. */
export class Workshop {
  #engine: Engine | undefined;
  #context: Context | undefined;
  #site = '';
  readonly #released = new Set<Stack>();

  /** A context whose cache is that of the bench. */
  get context(): Context {
    return this.#opened(this.#context);
  }

  get identityFile(): string {
    return path.join(this.#site, 'key');
  }

  /** Where the images of the bench lie. */
  get images(): string {
    return path.join(this.#site, 'images');
  }

  siteFile(stack: Stack): string {
    return path.join(this.#site, stack, 'prose-ship.yaml');
  }

  /** The engine starts empty; only what a user has of bases is there already. */
  async open({ context, scratch, note }: Omit<BenchSurroundings, 'runs'>): Promise<void> {
    const cacheDirectory = path.join(scratch, 'cache');
    this.#site = path.join(scratch, 'site');
    await mkdir(this.images, { recursive: true });
    await mkdir(cacheDirectory);
    for (const kept of ['bases', 'boot-kits']) {
      const from = path.join(context.cacheDirectory, kept);
      if (existsSync(from)) await cp(from, path.join(cacheDirectory, kept), { recursive: true });
    }
    await run(context, { program: 'ssh-keygen', args: ['-q', '-t', 'ed25519', '-N', '', '-C', 'bench', '-f', this.identityFile] });
    this.#context = { ...context, cacheDirectory };
    this.#engine = await startPrivateEngine(this.#context);
    note('an engine of its own runs');
  }

  async close(): Promise<void> {
    await this.#engine?.stop();
  }

  /** Makes the release of a stack, once. */
  async release(stack: Stack): Promise<void> {
    if (this.#released.has(stack)) return;
    await writeSite(this.siteFile(stack), stack, `${this.identityFile}.pub`);
    await this.#cli(stack, ['release']);
    this.#released.add(stack);
  }

  async bake(stack: Stack, output: string, preload: 'store' | 'archive' = 'store'): Promise<Bake> {
    const startedAt = performance.now();
    const lines = await this.#cli(stack, ['--verbose', 'bake', '--preload', preload, '--output', output]);
    const ms = performance.now() - startedAt;
    // BuildKit tells cached steps by their number alone, so only what really ran is counted.
    const emulatedMs = lines.reduce((sum, line) => sum + Number(/ configured in ([\d.]+) s$/.exec(line)?.[1] ?? 0) * 1000, 0);
    return { ms, emulatedMs };
  }

  /** The raw image `images/STACK-PRELOAD.img`, baked where it is not there yet. */
  async needImage(stack: Stack, preload: 'store' | 'archive'): Promise<string> {
    const file = path.join(this.images, `${stack}-${preload}.img`);
    if (existsSync(file)) return file;
    await this.release(stack);
    await this.bake(stack, file, preload);
    return file;
  }

  /** All archives of the release together. */
  async archiveBytes(stack: Stack): Promise<number> {
    const directory = path.join(path.dirname(this.siteFile(stack)), 'build/images');
    const sizes = await Promise.all((await readdir(directory)).map(async (name) => (await stat(path.join(directory, name))).size));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  /** A change of configuration: another name, another time zone. */
  async changeConfiguration(stack: Stack, turn: number): Promise<void> {
    const file = this.siteFile(stack);
    const text = (await readFile(file, 'utf8')).replace(/\n {2}(hostname|timezone): .*/g, '');
    await writeFile(file, text.replace(/^os:$/m, `os:\n  hostname: changed-${turn}\n  timezone: ${turn % 2 === 0 ? 'Europe/Berlin' : 'Europe/Lisbon'}`));
  }

  async #cli(stack: Stack, args: readonly string[]): Promise<string[]> {
    const lines: string[] = [];
    const env = { DOCKER_HOST: this.#opened(this.#engine).dockerHost ?? '', PROSE_SHIP_CACHE: this.context.cacheDirectory };
    await run(this.context, { program: process.execPath, args: [program, '--config', this.siteFile(stack), ...args], env, cwd: this.#site }, { onLine: (line) => lines.push(line) });
    return lines;
  }

  #opened<T>(value: T | undefined): T {
    if (value === undefined) throw new Error('the workshop is not open');
    return value;
  }
}
