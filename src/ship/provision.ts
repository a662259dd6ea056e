import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { engineMinimum as minimum } from '../device/engine-minimum.ts';
import { devicePaths, type DeviceFile } from '../device/files.ts';
import { debianEnginePackages, libraryFolders, provisionCommand, provisionedFiles, updaterProgramWords, type ProvisionedFile } from '../device/provision/programs.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import type { Connection } from '../host/ssh/connection.ts';
import type { AllowedSigners } from '../site/allowed-signers.ts';
import type { Task } from '../tasks.ts';
import type { Device } from './device.ts';

const firstDebianWithCompose = 13;
/** A Raspberry Pi's first start of an engine. */
const engineStartSeconds = 120;

export interface ProvisionOptions {
  /** From then on the host takes releases that one of these signed, and no others. Absent: what is there stays. */
  readonly allowedSigners?: AllowedSigners | undefined;
  /** Debian packages that the recipe needs there. */
  readonly packages?: readonly string[];
}

/** Makes an existing Raspberry Pi OS or Debian host ready; what is there already is left alone. */
export function provisionTasks(device: Device, { allowedSigners, packages = [] }: ProvisionOptions = {}): Task[] {
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
        report.detail(`engine ${versions.engine}, Compose ${versions.compose}${before ? '' : ', just installed'}`);
      },
    },
    {
      id: 'programs',
      title: 'Programs that the updater needs',
      run: async (report) => {
        const missing = await missingPrograms(connection);
        if (missing.length > 0) await aptInstall(connection, missing, report.log);
        report.detail(missing.length > 0 ? `installed ${missing.join(', ')}` : 'all there');
      },
    },
    ...(packages.length === 0 ? [] : [packagesTask(connection, packages)]),
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

/** Packages that are there stay as they are, whatever their version. */
function packagesTask(connection: Connection, packages: readonly string[]): Task {
  return {
    id: 'packages',
    title: 'Packages that the recipe needs',
    run: async (report) => {
      const missing = await missingPackages(connection, packages);
      if (missing.length > 0) await aptInstall(connection, missing, report.log);
      report.detail(missing.length > 0 ? `installed ${missing.join(', ')}` : 'all there');
    },
  };
}

/**
 * Which of these Debian packages are not installed there.
 * @throws ShipError E_NO_APT where the host has no packages of Debian, exit status 3
 */
export async function missingPackages(connection: Pick<Connection, 'name' | 'run'>, packages: readonly string[]): Promise<string[]> {
  if (packages.length === 0) return [];
  const { exitCode, stdout } = await connection.run(provisionCommand('packages', 'missing', ...packages), { expect: [9] });
  if (exitCode === 9) {
    throw new ShipError({
      code: 'E_NO_APT',
      message: `${connection.name} has no apt, and the recipe needs ${packages.join(', ')} there`,
      remedy: `Install what is called so on its system, as on Debian by: apt-get install -y --no-install-recommends ${packages.join(' ')}`,
      exitStatus: ExitStatus.preflight,
    });
  }
  return stdout.split('\n').filter(Boolean);
}

interface EngineVersions {
  readonly engine: string;
  readonly compose: string;
}

/** Undefined where no engine answers. @throws ShipError E_ENGINE_MISSING for one that is too old, exit status 3 */
async function engineVersions(connection: Connection): Promise<EngineVersions | undefined> {
  const { exitCode, stdout } = await connection.run(provisionCommand('engine', 'check', minimum.engine, minimum.compose), { sudo: true, expect: [1, 3] });
  const [versions = '', tooOld] = stdout.split('\n');
  if (exitCode === 1) return undefined;
  if (exitCode === 3) throw engineMissing(connection, tooOld ?? 'it is too old');
  const [engine = '', compose = ''] = versions.split('\t');
  return { engine, compose };
}

async function installEngine(connection: Connection, log: (message: string) => void): Promise<void> {
  const { stdout } = await connection.run(provisionCommand('packages', 'system'));
  const [id = '', version = '', , name = ''] = stdout.split('\n');
  if (!/^(debian|raspbian)$/.test(id) || Number(version) < firstDebianWithCompose) {
    throw engineMissing(connection, `${name || 'its system'} has no package of Compose v2`);
  }
  await aptInstall(connection, ['ca-certificates', ...debianEnginePackages], log);
  await connection.run(provisionCommand('engine', 'start', String(engineStartSeconds)), { sudo: true, expect: [1] });
}

async function aptInstall(connection: Connection, packages: readonly string[], log: (message: string) => void): Promise<void> {
  log(`installing ${packages.join(' ')}`);
  await connection.run(provisionCommand('packages', 'install', ...packages), { sudo: true, onLine: log });
}

/** The packages that bring them. */
async function missingPrograms(connection: Connection): Promise<string[]> {
  const programs = await connection.run(provisionCommand('packages', 'programs', ...updaterProgramWords), { sudo: true });
  const needs = await connection.run(provisionCommand('engine', 'needs'), { sudo: true });
  return `${programs.stdout}\n${needs.stdout}`.split('\n').filter(Boolean);
}

async function makeDirectories(connection: Connection): Promise<void> {
  const directories = (mode: string, owner: string, ...folders: readonly string[]) =>
    connection.run(provisionCommand('lay', 'directories', mode, owner, ...folders), { sudo: true });
  await directories('0755', 'root', ...libraryFolders(), devicePaths.stateDirectory);
  await directories('0700', String(connection.uid), devicePaths.incomingDirectory);
}

/** Returns the paths of the files that were new or different. */
async function layFiles(connection: Connection): Promise<string[]> {
  const files = await filesWanted(connection);
  const { stdout } = await connection.run(['sha256sum', '--', ...files.map(({ target }) => target)], { sudo: true, expect: [1] });
  const there = new Map(stdout.split('\n').map((line) => [line.slice(66), line.slice(0, 64)]));
  const changed: string[] = [];
  for (const file of files) {
    const content = await readFile(file.source);
    if (there.get(file.target) === createHash('sha256').update(content).digest('hex')) continue;
    await putFile(connection, file, content);
    changed.push(file.target);
  }
  await removeOldParts(connection);
  return changed;
}

async function filesWanted(connection: Connection): Promise<readonly ProvisionedFile[]> {
  const files = provisionedFiles();
  const folders = [...new Set(files.flatMap(({ needsFolder }) => needsFolder ?? []))];
  const script = 'for folder; do [ ! -d "$folder" ] || echo "$folder"; done';
  const there = (await connection.run(['sh', '-c', script, 'sh', ...folders])).stdout.split('\n');
  return files.filter(({ needsFolder }) => needsFolder === undefined || there.includes(needsFolder));
}

/** Parts of an older updater that this one does not have; the new program reads them no more. */
async function removeOldParts(connection: Connection): Promise<void> {
  const directory = `${devicePaths.libraryDirectory}/updater.d`;
  const ours = provisionedFiles().map(({ target }) => target).filter((target) => target.startsWith(`${directory}/`));
  await connection.run(provisionCommand('lay', 'keep-only', directory, ...ours), { sudo: true });
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
  await connection.run(provisionCommand('lay', 'put', file.target, mode, `${file.uid}:${file.gid}`), { sudo: true, input: content });
}

async function enableUnit(connection: Connection): Promise<void> {
  await connection.run(provisionCommand('lay', 'enable', path.posix.basename(devicePaths.unit)), { sudo: true });
}

function engineMissing(connection: Connection, why: string): ShipError {
  return new ShipError({
    code: 'E_ENGINE_MISSING',
    message: `${connection.name} has no usable Docker engine: ${why}`,
    remedy: `Install Docker Engine ${minimum.engine} or newer with the Compose plugin ${minimum.compose} or newer there (docs.docker.com/engine/install), then run this again.`,
    exitStatus: ExitStatus.preflight,
  });
}
