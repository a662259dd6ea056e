import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import semver from 'semver';
import { engineMinimum as minimum } from '../device/engine-minimum.ts';
import { deviceFiles, devicePaths, type DeviceFile } from '../device/files.ts';
import { announcement } from '../device/os-files.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import type { Connection } from '../host/ssh/connection.ts';
import type { AllowedSigners } from '../site/allowed-signers.ts';
import type { Task } from '../tasks.ts';
import type { Device } from './device.ts';

/** What the updater runs besides a POSIX shell and coreutils (docs/internals/device.md). */
const programs = ['curl', 'openssl', 'flock', 'gzip', 'awk', 'timeout', 'ssh-keygen'];
/** Debian packages of programs that are called otherwise. */
const packageNames: Readonly<Record<string, string>> = { awk: 'mawk', 'ssh-keygen': 'openssh-client' };
/** Debian 13 and Raspberry Pi OS on it bring an engine, its client and Compose v2 in these packages. */
const enginePackages = ['docker.io', 'docker-cli', 'docker-compose', 'ca-certificates'];
const firstDebianWithCompose = 13;

export interface ProvisionOptions {
  /** From then on the host takes releases that one of these signed, and no others. Absent: what is there stays. */
  readonly allowedSigners?: AllowedSigners | undefined;
}

/** Makes an existing Raspberry Pi OS or Debian host ready; what is there already is left alone. */
export function provisionTasks(device: Device, { allowedSigners }: ProvisionOptions = {}): Task[] {
  const { connection } = device;
  return [
    {
      id: 'engine',
      title: 'Docker engine and Compose',
      run: async (report) => {
        const before = await engineVersions(connection);
        if (!before) await installEngine(connection, report.log);
        const versions = before ?? (await engineVersions(connection));
        if (!versions) throw engineMissing(connection, 'the engine does not answer after its installation');
        requireMinimum(connection, versions);
        report.detail(`engine ${versions.engine}, Compose ${versions.compose}${before ? '' : ', just installed'}`);
      },
    },
    {
      id: 'programs',
      title: 'Programs that the updater needs',
      run: async (report) => {
        const missing = await missingPrograms(connection);
        if (missing.length > 0) await aptInstall(connection, missing.map((name) => packageNames[name] ?? name), report.log);
        report.detail(missing.length > 0 ? `installed ${missing.join(', ')}` : 'all there');
      },
    },
    { id: 'directories', title: 'Directories', run: () => makeDirectories(connection) },
    {
      id: 'updater',
      title: 'Updater',
      run: async (report) => {
        const changed = await layFiles(connection);
        if (changed.length > 0) await enableUnit(connection);
        report.detail(changed.length === 0 ? 'is there already' : `${changed.length} files laid down`);
      },
    },
    {
      id: 'signers',
      title: 'Who may sign releases',
      skip: () => (allowedSigners ? undefined : 'as it was'),
      run: async (report) => {
        if (!allowedSigners) return;
        report.detail((await layAllowedSigners(connection, allowedSigners)) ? 'replaced' : 'is there already');
      },
    },
  ];
}

interface EngineVersions {
  readonly engine: string;
  readonly compose: string;
}

async function engineVersions(connection: Connection): Promise<EngineVersions | undefined> {
  const engine = await connection.run(['docker', 'version', '--format', '{{.Server.Version}}'], { sudo: true, expect: [1, 127] });
  if (engine.exitCode !== 0) return undefined;
  const compose = await connection.run(['docker', 'compose', 'version', '--short'], { sudo: true, expect: [1, 125, 127] });
  return { engine: engine.stdout.trim(), compose: compose.exitCode === 0 ? compose.stdout.trim() : '0.0.0' };
}

function requireMinimum(connection: Connection, versions: EngineVersions): void {
  for (const part of ['engine', 'compose'] as const) {
    const found = semver.coerce(versions[part]) ?? '0.0.0';
    if (semver.lt(found, minimum[part])) {
      throw engineMissing(connection, `${part} ${versions[part]} is older than ${minimum[part]}`);
    }
  }
}

async function installEngine(connection: Connection, log: (message: string) => void): Promise<void> {
  const { stdout } = await connection.run(['cat', '/etc/os-release'], { expect: [1] });
  const field = (name: string) => new RegExp(`^${name}="?([^"\\n]*)`, 'm').exec(stdout)?.[1] ?? '';
  const isDebian = /^(debian|raspbian)$/.test(field('ID'));
  if (!isDebian || Number(field('VERSION_ID')) < firstDebianWithCompose) {
    throw engineMissing(connection, `${field('PRETTY_NAME') || 'its system'} has no package of Compose v2`);
  }
  await aptInstall(connection, enginePackages, log);
}

async function aptInstall(connection: Connection, packages: readonly string[], log: (message: string) => void): Promise<void> {
  log(`installing ${packages.join(' ')}`);
  const apt = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q'];
  await connection.run([...apt, 'update'], { sudo: true });
  await connection.run([...apt, 'install', '-y', '--no-install-recommends', ...packages], { sudo: true, onLine: log });
}

async function missingPrograms(connection: Connection): Promise<string[]> {
  const script = 'for name; do command -v "$name" >/dev/null || echo "$name"; done';
  const { stdout } = await connection.run(['sh', '-c', script, 'sh', ...programs], { sudo: true });
  return stdout.split('\n').filter(Boolean);
}

async function makeDirectories(connection: Connection): Promise<void> {
  const directory = (mode: string, owner: string, name: string) =>
    connection.run(['install', '-d', '-m', mode, '-o', owner, name], { sudo: true });
  const folders = deviceFiles().map(({ target }) => path.posix.dirname(target)).filter((folder) => folder.startsWith(devicePaths.libraryDirectory));
  for (const folder of [...new Set(folders)].sort()) await directory('0755', 'root', folder);
  await directory('0755', 'root', devicePaths.stateDirectory);
  await directory('0700', String(connection.uid), devicePaths.incomingDirectory);
}

/** Returns the paths of the files that were new or different. */
async function layFiles(connection: Connection): Promise<string[]> {
  const hasAvahi = (await connection.run(['test', '-d', path.posix.dirname(announcement().target)], { expect: [1] })).exitCode === 0;
  const files = [...deviceFiles(), ...(hasAvahi ? [announcement()] : [])];
  const { stdout } = await connection.run(['sha256sum', '--', ...files.map(({ target }) => target)], { sudo: true, expect: [1] });
  const there = new Map(stdout.split('\n').map((line) => [line.slice(66), line.slice(0, 64)]));
  const changed: string[] = [];
  for (const file of files) {
    const content = await readFile(file.source);
    if (there.get(file.target) === createHash('sha256').update(content).digest('hex')) continue;
    if (await layFile(connection, file, content)) changed.push(file.target);
  }
  return changed;
}

async function layFile(connection: Connection, file: DeviceFile, content: Buffer): Promise<boolean> {
  if (file.target === devicePaths.unit && !(await hasSystemd(connection))) return false;
  await putFile(connection, file, content);
  return true;
}

async function layAllowedSigners(connection: Connection, { content }: AllowedSigners): Promise<boolean> {
  const target = devicePaths.allowedSignersFile;
  const there = await connection.run(['cat', '--', target], { sudo: true, expect: [1] });
  // The end of the output is trimmed.
  if (there.exitCode === 0 && there.stdout.trimEnd() === content.trimEnd()) return false;
  await connection.run(['install', '-d', '-m', '0755', path.posix.dirname(target)], { sudo: true });
  await putFile(connection, { target, mode: 0o644, uid: 0, gid: 0 }, Buffer.from(content));
  return true;
}

/** Whole or not at all. */
async function putFile(connection: Connection, file: Omit<DeviceFile, 'source'>, content: Buffer): Promise<void> {
  const mode = file.mode.toString(8).padStart(4, '0');
  const script = 'mkdir -p "${1%/*}" && cat >"$1.new" && chmod "$2" "$1.new" && chown "$3" "$1.new" && sync "$1.new" && mv -f "$1.new" "$1"';
  await connection.run(['sh', '-c', script, 'sh', file.target, mode, `${file.uid}:${file.gid}`], { sudo: true, input: content });
}

async function enableUnit(connection: Connection): Promise<void> {
  if (!(await hasSystemd(connection))) return;
  await connection.run(['systemctl', 'daemon-reload'], { sudo: true });
  await connection.run(['systemctl', 'enable', path.posix.basename(devicePaths.unit)], { sudo: true });
}

async function hasSystemd(connection: Connection): Promise<boolean> {
  return (await connection.run(['test', '-d', '/run/systemd/system'], { expect: [1] })).exitCode === 0;
}

function engineMissing(connection: Connection, why: string): ShipError {
  return new ShipError({
    code: 'E_ENGINE_MISSING',
    message: `${connection.name} has no usable Docker engine: ${why}`,
    remedy: `Install Docker Engine ${minimum.engine} or newer with the Compose plugin ${minimum.compose} or newer there (docs.docker.com/engine/install), then run this again.`,
    exitStatus: ExitStatus.preflight,
  });
}
