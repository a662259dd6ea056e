import path from 'node:path';
import { access, constants } from 'node:fs/promises';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { Engine } from './engine.ts';
import { findEngine } from './find-engine.ts';
import { startPrivateEngine } from './private-engine.ts';

/** What decides whether a private engine can be started here. */
export interface EngineSurroundings {
  readonly platform: NodeJS.Platform;
  readonly isRoot: boolean;
  readonly hasDockerd: boolean;
}

/**
 * The engine that runs already, as it is; else, where `allowPrivate`, one of our own. The caller ends it by `stop()`,
 * which does nothing to the former.
 * @throws ShipError E_ENGINE_NOT_RUNNING (exit status 3), E_ENGINE_START_FAILED (3), E_INTERRUPTED
 */
export async function openEngine(context: Context, options: { allowPrivate: boolean }): Promise<Engine> {
  const running = await findEngine(context);
  if (running) return running;
  const surroundings = await lookAround(context);
  if (!options.allowPrivate || obstacle(surroundings) !== undefined) throw engineNotRunning(surroundings);
  return await startPrivateEngine(context);
}

/** The error with the remedy that fits the machine. */
export function engineNotRunning(surroundings: EngineSurroundings): ShipError {
  return new ShipError({
    code: 'E_ENGINE_NOT_RUNNING',
    message: 'No Docker engine answers, neither at DOCKER_HOST nor in the client\'s context',
    remedy: obstacle(surroundings) ?? 'Start the engine: `systemctl start docker`.',
    exitStatus: ExitStatus.preflight,
  });
}

/** What keeps a private engine from being started, as a remedy; undefined: nothing. */
function obstacle({ platform, isRoot, hasDockerd }: EngineSurroundings): string | undefined {
  if (platform === 'darwin' || platform === 'win32') return 'Start Docker Desktop, or point DOCKER_HOST at an engine.';
  if (!hasDockerd) return 'Run `prose-ship doctor --fix`, which installs one, or point DOCKER_HOST at an engine.';
  if (!isRoot) return 'Start the engine (`sudo systemctl start docker`) and join its group, or run this as root.';
  return undefined;
}

async function lookAround(context: Context): Promise<EngineSurroundings> {
  return {
    platform: process.platform,
    isRoot: process.getuid?.() === 0,
    hasDockerd: (await findProgram(context, 'dockerd')) !== undefined,
  };
}

/** The path of a program, looked for on PATH and in the folders of system programs that PATH lacks for some users. */
export async function findProgram(context: Context, name: string): Promise<string | undefined> {
  const folders = [...(context.environment['PATH'] ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  for (const folder of folders.filter((folder) => path.isAbsolute(folder))) {
    const candidate = path.join(folder, name);
    const executable = await access(candidate, constants.X_OK).then(() => true, () => false);
    if (executable) return candidate;
  }
  return undefined;
}
