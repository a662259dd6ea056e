import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { deviceFiles, devicePaths, userPaths } from '../../device/files.ts';
import { provisionCommand } from '../../device/provision/programs.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { Connection } from '../../host/ssh/connection.ts';
import { digestOf, encodedPart } from '../../oci/digest.ts';
import type { AllowedSigners } from '../../site/allowed-signers.ts';
import type { Task } from '../../tasks.ts';
import type { Device } from '../device.ts';

/** What the updater runs there besides a POSIX shell and coreutils; nobody can install what is missing. */
const programs = ['awk', 'curl', 'find', 'flock', 'grep', 'gzip', 'openssl', 'sed', 'setsid', 'ssh-keygen', 'stat', 'tar', 'timeout'];
const { stateDirectory, libraryDirectory, allowedSignersFile } = userPaths;
/** What tells the updater that everything is below its own folder, and that there is no engine. */
const engineFile = `${stateDirectory}/settings/engine`;

/** Makes a host ready on which nobody is root: everything goes into one folder of the login user's. */
export function provisionUserTasks(device: Device, allowedSigners: AllowedSigners | undefined): Task[] {
  const { connection } = device;
  return [
    { id: 'programs', title: 'Programs that the updater needs', run: () => requirePrograms(connection) },
    { id: 'directories', title: 'Directories', run: () => makeDirectories(connection) },
    {
      id: 'updater',
      title: 'Updater',
      run: async (report) => {
        const changed = await layFiles(connection);
        report.detail(changed === 0 ? 'is there already' : `${changed} files laid down`);
      },
    },
    {
      id: 'signers',
      title: 'Who may sign releases',
      skip: () => (allowedSigners ? undefined : 'as it was'),
      run: async (report) => {
        if (!allowedSigners) return;
        const changed = await putFile(connection, allowedSignersFile, '0644', Buffer.from(allowedSigners.content));
        report.detail(changed ? 'replaced' : 'is there already');
      },
    },
    {
      id: 'boot',
      title: 'Start after a restart of the host',
      run: async (report) => {
        const { stdout } = await device.updater(['enable-boot']);
        const by = /^boot\t(\w+)$/m.exec(stdout)?.[1] ?? 'none';
        report.detail(bootTexts[by] ?? by);
        if (by === 'none') report.log(`After a restart of the host, run: ${userPaths.updater} boot`);
      },
    },
  ];
}

const bootTexts: Readonly<Record<string, string>> = {
  systemd: "by the user's systemd",
  crontab: 'by @reboot in the crontab',
  none: 'nobody does: neither systemctl --user nor crontab works there',
};

/** @throws ShipError E_PROGRAMS_MISSING, E_WRONG_USER, exit status 3 */
async function requirePrograms(connection: Connection): Promise<void> {
  const { name, uid } = connection;
  const refuse = (code: ShipError['code'], message: string, remedy: string) => new ShipError({ code, message, remedy, exitStatus: ExitStatus.preflight });
  if (uid === 0) throw refuse('E_WRONG_USER', `The login on ${name} is root, and this profile runs everything as the login user`, 'Name an ordinary user for the host, or choose another profile.');
  const script = 'for name; do command -v "$name" >/dev/null || echo "$name"; done; df --output=avail . >/dev/null 2>&1 && stat -c %u . >/dev/null 2>&1 || echo "GNU coreutils"';
  const { stdout } = await connection.run(['sh', '-c', script, 'sh', ...programs]);
  const missing = stdout.split('\n').filter(Boolean);
  if (missing.length > 0) throw refuse('E_PROGRAMS_MISSING', `${name} lacks what the updater needs: ${missing.join(', ')}`, 'Ask whoever runs the host to install it.');
}

async function makeDirectories(connection: Connection): Promise<void> {
  const folders = [...new Set(deviceFiles().map(({ target }) => path.posix.dirname(userTarget(target))))].filter((folder) => folder.startsWith(libraryDirectory));
  await connection.run(['install', '-d', '-m', '0700', stateDirectory, path.posix.dirname(engineFile), userPaths.incomingDirectory, ...folders.sort()]);
}

function userTarget(target: string): string {
  return target.replace(devicePaths.libraryDirectory, libraryDirectory);
}

/** How many files were new or different. What differs comes in one stream, and takes its place file by file, the program last. */
async function layFiles(connection: Connection): Promise<number> {
  const files = deviceFiles().filter(({ target }) => target !== devicePaths.unit);
  const isNew = await putFile(connection, engineFile, '0600', Buffer.from('none\n'));
  const { stdout } = await connection.run(['sh', '-c', 'sha256sum -- "$@" 2>/dev/null; :', 'sh', ...files.map(({ target }) => userTarget(target))]);
  const there = new Map(stdout.split('\n').map((line) => [line.slice(66), line.slice(0, 64)]));
  const different = pack();
  let changed = 0;
  for (const { source, target, mode } of files) {
    const content = await readFile(source);
    if (there.get(userTarget(target)) === encodedPart(digestOf(content))) continue;
    different.entry({ name: path.posix.relative(devicePaths.libraryDirectory, target), mode }, content);
    changed += 1;
  }
  different.finalize();
  const archive = await buffer(different as AsyncIterable<Buffer>);
  if (changed > 0) await connection.run(['sh', '-c', layScript, 'sh', libraryDirectory], { input: archive });
  await connection.run(provisionCommand('lay', 'keep-only', `${libraryDirectory}/updater.d`, ...files.map(({ target }) => userTarget(target))));
  return changed + Number(isNew);
}

const layScript = `
set -e
new=$1.new
rm -rf "$new"
mkdir "$new"
tar --extract --file=- --directory="$new"
sync
(cd "$new" && find . -type f ! -path ./updater) | while IFS= read -r file; do mv -f "$new/$file" "$1/$file" || exit 1; done
[ ! -f "$new/updater" ] || mv -f "$new/updater" "$1/updater"
rm -rf "$new"
`;

/** Whole or not at all; whether it was new or different. */
async function putFile(connection: Connection, target: string, mode: string, content: Buffer): Promise<boolean> {
  const { stdout } = await connection.run(provisionCommand('lay', 'put', target, mode, String(connection.uid)), { input: content });
  return stdout !== '';
}
