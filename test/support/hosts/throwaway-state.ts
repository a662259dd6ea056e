import { mkdtemp, readFile, readdir, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';

/** Where hosts keep their disks: not a tmpfs and not an overlay, because an overlay is laid upon it. */
export function stateDirectory(): string {
  return process.env['PROSE_SHIP_TEST_DIRECTORY'] ?? '/var/tmp';
}
const statePrefix = 'prose-ship-host-';

/** An empty folder for one host of this process. */
export async function createState(): Promise<string> {
  return await mkdtemp(path.join(stateDirectory(), `${statePrefix}${process.pid}-`));
}

/** Removes what a host that has ended left on the disk and among the control groups. */
export async function removeState(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  await removeControlGroups(path.basename(directory));
}

/** Containers that were killed with their host leave empty control groups (v1: one tree a controller; v2: one tree). */
async function removeControlGroups(name: string): Promise<void> {
  const base = '/sys/fs/cgroup';
  const trees = [path.join(base, name), ...(await readdir(base)).map((controller) => path.join(base, controller, name))];
  for (const tree of trees) {
    const children = await readdir(tree, { withFileTypes: true }).catch(() => []);
    for (const child of children) if (child.isDirectory()) await rmdir(path.join(tree, child.name)).catch(() => {});
    await rmdir(tree).catch(() => {});
  }
}

/** Removes what hosts of processes that were killed have left on the disk. */
export async function sweepStates(): Promise<void> {
  for (const entry of await readdir(stateDirectory())) {
    const owner = entry.startsWith(statePrefix) ? Number.parseInt(entry.slice(statePrefix.length), 10) : Number.NaN;
    if (Number.isNaN(owner)) continue;
    const alive = await readFile(`/proc/${owner}/stat`).then(() => true, () => false);
    if (!alive) await removeState(path.join(stateDirectory(), entry));
  }
}
