import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const execute = promisify(execFile);
const parts = path.resolve(import.meta.dirname, '../../../src/device/updater.d');

/** A host file of a release: its path below the bench's `etc`, and its content. */
export interface BenchFile {
  readonly path: string;
  readonly content: string;
  readonly mode?: string;
  /** Default: `proxy`; `-` for none. */
  readonly action?: string;
}

export interface BenchRun {
  /** Exit status of the shell code, `killed` when it was. */
  readonly status: number | 'killed';
  /** `KIND TEXT` or `CODE TEXT`, a line each. */
  readonly log: readonly string[];
  readonly output: string;
}

/**
 * The updater's host files on a folder instead of a host: releases with plans, and a program `proxy` that refuses files
 * with `broken` in them and remembers what it was told to load.
 */
export class HostFilesBench {
  readonly directory: string;
  readonly etc: string;
  readonly state: string;
  readonly #shell: readonly string[];

  private constructor(directory: string, shell: readonly string[]) {
    this.directory = directory;
    this.etc = path.join(directory, 'etc');
    this.state = path.join(directory, 'state');
    this.#shell = shell;
  }

  static async create(shell: readonly string[] = ['dash']): Promise<HostFilesBench> {
    const bench = new HostFilesBench(await temporaryDirectory('host-files'), shell);
    for (const folder of ['etc', 'state/releases', 'loaded']) await mkdir(path.join(bench.directory, folder), { recursive: true });
    await writeFile(bench.proxy, `#!/bin/sh\ncd ${bench.etc} || exit 1\ncase $1 in\n  check) ! grep -rl broken . ;;\n  load) echo load >>${bench.directory}/loads; rm -rf ../loaded; cp -r . ../loaded ;;\nesac\n`);
    await chmod(bench.proxy, 0o755);
    return bench;
  }

  get proxy(): string {
    return path.join(this.directory, 'proxy');
  }

  /** Writes a release whose plan has these host files; `plan` is more of its lines. */
  async release(id: string, files: readonly BenchFile[], plan: readonly (readonly (string | number)[])[] = this.action()): Promise<void> {
    const lines = [...plan];
    for (const file of files) {
      const name = file.path.replaceAll('/', '-');
      const hash = createHash('sha256').update(`${file.content}${file.mode ?? ''}`).digest('hex').slice(0, 12);
      await this.put(path.join(this.state, 'releases', id, 'files', hash, name), file.content);
      lines.push(['file', hash, name, file.mode ?? '0644', process.getuid?.() ?? 0, process.getgid?.() ?? 0]);
      lines.push(['hostfile', hash, name, path.join(this.etc, file.path), file.action ?? 'proxy']);
    }
    await this.put(path.join(this.state, 'releases', id, 'platform'), 'here\n');
    await this.put(path.join(this.state, 'releases', id, 'plans/here.plan'), lines.map((fields) => `${fields.join('\t')}\n`).join(''));
  }

  action(): readonly (readonly (string | number)[])[] {
    return [['action', 'proxy', 10], ['action-check', 'proxy', this.proxy, 'check'], ['action-apply', 'proxy', this.proxy, 'load']];
  }

  async put(file: string, content: string): Promise<void> {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }

  /** Runs shell code with the updater's functions; `killAt` ends all of it before that call of a program that writes. */
  async run(code: string, killAt = 0): Promise<BenchRun> {
    const script = `set -u; umask 077; LC_ALL=C; export LC_ALL; TAB=$(printf '\\t'); TMPDIR=${this.directory}
      STATE_DIR=${this.state} SETTINGS_DIR=/etc/prose-ship UPDATER=/usr/lib/prose-ship/updater version=0
      for part in run/log rollout/journal release/plan host-files/plan host-files/list host-files/check host-files/actions host-files/health host-files/apply; do . ${parts}/$part.sh; done
      scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
      log_line() { printf '%s\\n' "$1" | tr '\\t' ' '; }
      key_value() { printf '%s %s\\n' "$1" "$2" | tr '\\t' ' '; }
      fault_for_test() { :; }
      echo 0 >${this.directory}/steps
      step() {
        read -r steps <${this.directory}/steps
        echo $((steps + 1)) >${this.directory}/steps
        [ $((steps + 1)) -ne ${killAt} ] || kill -KILL 0
      }
      for program in mv rm cp mkdir rmdir sync; do eval "$program() { step; command $program \\"\\$@\\"; }"; done
      # Waiting for the disk proves nothing here.
      sync() { step; }
      ${code}`;
    const finished = await execute('setsid', [...this.#shell, '-c', script]).catch((error: unknown) => error as { code: number; signal: string | null; stdout: string; stderr: string });
    const status = 'signal' in finished && finished.signal ? 'killed' : 'code' in finished ? finished.code : 0;
    return { status, log: finished.stdout.split('\n').filter(Boolean), output: `${finished.stdout}\n${finished.stderr}` };
  }

  /** How many calls of programs that write the last run made. */
  async steps(): Promise<number> {
    return Number(await readFile(path.join(this.directory, 'steps'), 'utf8'));
  }

  async loads(): Promise<number> {
    return (await readFile(path.join(this.directory, 'loads'), 'utf8').catch(() => '')).split('\n').filter(Boolean).length;
  }

  /** Every file below a folder, with its mode and content; folders end in a slash. */
  async tree(folder: string): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const file = path.join(entry.parentPath, entry.name);
      const name = path.relative(folder, file);
      const mode = (await stat(file).catch(() => ({ mode: 0 }))).mode & 0o7777;
      if (entry.isDirectory()) found[`${name}/`] = mode.toString(8);
      else found[name] = entry.isSymbolicLink() ? `-> ${await readlink(file)}` : `${mode.toString(8)} ${await readFile(file, 'utf8')}`;
    }
    return found;
  }

  /** What is written down about host files. */
  async records(): Promise<Record<string, string>> {
    const all = await this.tree(this.state);
    return Object.fromEntries(Object.entries(all).filter(([name]) => name.startsWith('host-files')));
  }
}
