import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, realpath } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { writeAtomically } from '../files.ts';
import { freeSubnet } from './bridge-subnet.ts';
import type { Engine } from './engine.ts';
import { askEngine, type EngineInfo } from './find-engine.ts';
import { acquireLease, canLock } from './lease.ts';

/** Where a private engine keeps what; everything in `runDirectory` is gone when it has ended. */
export interface PrivateEnginePaths {
  readonly dataDirectory: string;
  readonly configFile: string;
  readonly logFile: string;
  /** Every process that uses the engine holds a shared lock on it. */
  readonly usersFile: string;
  /** Held exclusively while finding out whether one runs, and starting it. */
  readonly startingFile: string;
  readonly runDirectory: string;
  readonly socketFile: string;
  readonly bridgeName: string;
}

const supervisor = path.join(import.meta.dirname, 'private-engine.sh');
const startsWithinMs = 90_000;
const endsWithinMs = 30_000;
const pollEveryMs = 100;

/**
 * One engine for each cache folder. What must be short has a short name: a socket's path has room for 108 bytes
 * (unix(7)), a network device's name for 15 (IFNAMSIZ).
 */
export function privateEnginePaths(cacheDirectory: string): PrivateEnginePaths {
  const directory = path.join(cacheDirectory, 'engine');
  const id = createHash('sha256').update(directory).digest('hex').slice(0, 8);
  const runDirectory = `/run/prose-ship-${id}`;
  return {
    dataDirectory: path.join(directory, 'data'),
    configFile: path.join(directory, 'daemon.json'),
    logFile: path.join(directory, 'dockerd.log'),
    usersFile: path.join(directory, 'users.lock'),
    startingFile: path.join(directory, 'starting.lock'),
    runDirectory,
    socketFile: path.join(runDirectory, 'docker.sock'),
    bridgeName: `pship-${id}`,
  };
}

/** What the builds of a site and its card need, some times over. */
const buildCacheLimit = '15GB';

/** dockerd's configuration (docs.docker.com, daemon.json): the containerd image store, which alone exports OCI layouts. */
export function daemonConfiguration(paths: PrivateEnginePaths): object {
  return {
    hosts: [`unix://${paths.socketFile}`],
    group: 'root',
    'data-root': paths.dataDirectory,
    'exec-root': path.join(paths.runDirectory, 'exec'),
    pidfile: path.join(paths.runDirectory, 'docker.pid'),
    bridge: paths.bridgeName,
    // systemd's driver takes process ids of the machine, but this dockerd has a pid namespace of its own.
    'exec-opts': ['native.cgroupdriver=cgroupfs'],
    'cgroup-parent': `/${paths.bridgeName}`,
    features: { 'containerd-snapshotter': true },
    // BuildKit's own bound is a share of the disk, however large that is.
    builder: { gc: { enabled: true, defaultKeepStorage: buildCacheLimit } },
  };
}

/**
 * Starts a dockerd of our own, or joins the one that another run with the same cache folder has started: its data can
 * have only one engine, and waiting for a build of minutes would help nobody. It ends with its last user, because each
 * user holds a lock that the kernel takes back whatever happens to it; its data stays for the next run.
 * @throws ShipError E_ENGINE_START_FAILED (exit status 3, with the end of dockerd's log), E_INTERRUPTED
 */
export async function startPrivateEngine(context: Context): Promise<Engine> {
  await mkdir(context.cacheDirectory, { recursive: true });
  const paths = privateEnginePaths(await realpath(context.cacheDirectory));
  const use = await acquireLease(context, paths.usersFile, 'shared');
  const release = (): void => void use.release();
  context.signal.addEventListener('abort', release, { once: true });
  const stop = async (): Promise<void> => {
    context.signal.removeEventListener('abort', release);
    await use.release();
    await untilEndedOrUsed(paths);
  };
  try {
    const info = await startOrJoin(context, paths);
    return { ...info, dockerHost: `unix://${paths.socketFile}`, isPrivate: true, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startOrJoin(context: Context, paths: PrivateEnginePaths): Promise<Pick<EngineInfo, 'version' | 'imageStore'>> {
  const starting = await acquireLease(context, paths.startingFile, 'exclusive');
  try {
    const running = existsSync(paths.socketFile) ? await askEngine(context, `unix://${paths.socketFile}`) : undefined;
    const { version, imageStore } = running ?? (await startAnew(context, paths));
    return { version, imageStore };
  } finally {
    await starting.release();
  }
}

async function startAnew(context: Context, paths: PrivateEnginePaths): Promise<EngineInfo> {
  await writeAtomically(paths.configFile, async (file) => {
    const handle = await open(file, 'w');
    await handle.writeFile(JSON.stringify(daemonConfiguration(paths), undefined, 2));
    await handle.close();
  });
  const gateway = await freeSubnet(context);
  const supervisorEnded = await startSupervisor(context, paths, gateway);
  const deadline = Date.now() + startsWithinMs;
  while (Date.now() < deadline && !supervisorEnded()) {
    if (existsSync(paths.socketFile)) {
      const info = await askEngine(context, `unix://${paths.socketFile}`);
      if (info) return info;
    }
    if (existsSync(path.join(paths.runDirectory, 'ended'))) break;
    await delay(pollEveryMs, undefined, { signal: context.signal }).catch(() => context.signal.throwIfAborted());
  }
  throw new ShipError({
    code: 'E_ENGINE_START_FAILED',
    message: `A private Docker engine did not start; its log is ${paths.logFile}`,
    remedy: 'Run `prose-ship doctor`, or start an engine by hand: one that runs is used as it is.',
    output: await endOfLog(paths.logFile),
    exitStatus: ExitStatus.preflight,
  });
}

/** The supervisor has to outlive this process by some seconds, so it is not a child that the process gateway ends. */
async function startSupervisor(context: Context, paths: PrivateEnginePaths, gateway: string): Promise<() => boolean> {
  const args = [paths.usersFile, paths.runDirectory, paths.configFile, paths.bridgeName, gateway];
  context.emit({ type: 'log', level: 'debug', message: `$ ${supervisor} ${args.join(' ')}` });
  const log = await open(paths.logFile, 'w');
  try {
    const child = spawn(supervisor, args, { detached: true, cwd: '/', stdio: ['ignore', log.fd, log.fd] });
    let failed = false;
    child.once('error', () => (failed = true));
    child.unref();
    return () => failed || child.exitCode !== null || child.signalCode !== null;
  } finally {
    await log.close();
  }
}

/** Waits until the engine is gone, or returns at once where others still use it; the run folder goes last. */
async function untilEndedOrUsed(paths: PrivateEnginePaths): Promise<void> {
  for (let waitedMs = 0; waitedMs < endsWithinMs && existsSync(paths.runDirectory); waitedMs += pollEveryMs) {
    // A shared lock cannot be had while the supervisor is ending; an exclusive one cannot while others use the engine.
    const ending = async (): Promise<boolean> => !(await canLock(paths.usersFile, 'shared'));
    if (!(await ending()) && !(await canLock(paths.usersFile, 'exclusive')) && !(await ending())) return;
    await delay(pollEveryMs);
  }
}

async function endOfLog(file: string): Promise<string> {
  const log = await readFile(file, 'utf8').catch(() => '');
  return log.trimEnd().split('\n').slice(-15).join('\n');
}
