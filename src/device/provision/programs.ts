import { readFileSync } from 'node:fs';
import path from 'node:path';
import { announcement } from '../os-files.ts';
import { deviceFiles, devicePaths, type DeviceFile } from '../files.ts';

/** What makes a host ready, in POSIX sh; each says at its head what its verbs do. */
export const provisionPrograms = ['engine', 'packages', 'lay'] as const;
export type ProvisionProgram = (typeof provisionPrograms)[number];

/** Absolute path of a program here. */
export function provisionProgramFile(name: ProvisionProgram): string {
  return path.join(import.meta.dirname, `${name}.sh`);
}

/** The command line that runs a verb of a program on a host that does not have it. */
export function provisionCommand(name: ProvisionProgram, verb: string, ...args: readonly string[]): readonly string[] {
  return ['sh', '-c', readFileSync(provisionProgramFile(name), 'utf8'), `${name}.sh`, verb, ...args];
}

/** What the updater runs besides a POSIX shell (docs/internals/device.md), and the Debian package of each. */
export const updaterPrograms: readonly { readonly program: string; readonly debianPackage: string }[] = [
  { program: 'curl', debianPackage: 'curl' },
  { program: 'openssl', debianPackage: 'openssl' },
  { program: 'flock', debianPackage: 'util-linux' },
  { program: 'gzip', debianPackage: 'gzip' },
  { program: 'awk', debianPackage: 'mawk' },
  { program: 'timeout', debianPackage: 'coreutils' },
  { program: 'ssh-keygen', debianPackage: 'openssh-client' },
];

/** `PROGRAM=PACKAGE` of each, as packages.sh takes them. */
export const updaterProgramWords: readonly string[] = updaterPrograms.map(({ program, debianPackage }) => `${program}=${debianPackage}`);

/** Debian 13 and Raspberry Pi OS on it bring an engine, its client and Compose v2 in these packages. */
export const debianEnginePackages: readonly string[] = ['docker-cli', 'docker-compose', 'docker.io'];

/** A file that a host gets, and the folder without which it is of no use there. */
export interface ProvisionedFile extends DeviceFile {
  readonly needsFolder?: string;
}

/** The updater, its unit and what announces it; the program itself comes last of the updater's. */
export function provisionedFiles(): readonly ProvisionedFile[] {
  const announced = announcement();
  return [
    ...deviceFiles().map((file) => (file.target === devicePaths.unit ? { ...file, needsFolder: '/run/systemd/system' } : file)),
    { ...announced, needsFolder: path.posix.dirname(announced.target) },
  ];
}

/** Folders of the updater's program, parents first. */
export function libraryFolders(): readonly string[] {
  const folders = deviceFiles().map(({ target }) => path.posix.dirname(target)).filter((folder) => folder.startsWith(devicePaths.libraryDirectory));
  return [...new Set(folders)].sort();
}
