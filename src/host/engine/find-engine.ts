import { ShipError } from '../../errors.ts';
import type { Context } from '../../context.ts';
import { run, type Command } from '../process.ts';
import type { Engine } from './engine.ts';

/** What `docker info` says about an engine that answers. */
export interface EngineInfo {
  readonly version: string;
  readonly imageStore: Engine['imageStore'];
  /** As `uname -m` prints it. */
  readonly architecture: string;
}

const answersWithinMs = 15_000;

/** `dockerHost` absent: the client's own default, DOCKER_HOST or context. */
export function infoCommand(dockerHost?: string): Command {
  return {
    program: 'docker',
    args: [...(dockerHost ? ['--host', dockerHost] : []), 'info', '--format', '{{json .}}'],
  };
}

/**
 * Reads the JSON of `docker info` (engine API, /info). The client prints its own half even where no engine answers;
 * then, and for anything else that is not an engine, the result is undefined.
 */
export function parseEngineInfo(json: string): EngineInfo | undefined {
  let info: { ServerVersion?: unknown; Architecture?: unknown; DriverStatus?: unknown };
  try {
    info = JSON.parse(json) as typeof info;
  } catch {
    return undefined;
  }
  const { ServerVersion: version, Architecture: architecture, DriverStatus: driverStatus } = info;
  if (typeof version !== 'string' || version === '' || typeof architecture !== 'string') return undefined;
  return { version, architecture, imageStore: imageStoreOf(driverStatus) };
}

/** With the containerd image store, DriverStatus names a snapshotter plug-in; a graph driver lists its backing file system. */
function imageStoreOf(driverStatus: unknown): Engine['imageStore'] {
  const rows: unknown[] = Array.isArray(driverStatus) ? driverStatus : [];
  const isSnapshotter = rows.some(
    (row) => Array.isArray(row) && row[0] === 'driver-type' && String(row[1]).startsWith('io.containerd.snapshotter.'),
  );
  return isSnapshotter ? 'containerd' : 'graphdriver';
}

/**
 * Asks the engine at `dockerHost`, or the client's own, who it is; undefined where none answers, none in time, or where
 * there is no client.
 * @throws ShipError E_INTERRUPTED
 */
export async function askEngine(context: Context, dockerHost?: string): Promise<EngineInfo | undefined> {
  try {
    const { stdout } = await run(context, infoCommand(dockerHost), { timeoutMs: answersWithinMs });
    return parseEngineInfo(stdout);
  } catch (error) {
    const silent = ['E_COMMAND_NOT_FOUND', 'E_COMMAND_FAILED', 'E_TIMEOUT'];
    if (error instanceof ShipError && silent.includes(error.code)) return undefined;
    throw error;
  }
}

/**
 * The engine that runs already, honouring DOCKER_HOST and the client's context; undefined where none answers.
 * @throws ShipError E_INTERRUPTED
 */
export async function findEngine(context: Context): Promise<Engine | undefined> {
  const info = await askEngine(context);
  if (!info) return undefined;
  return { version: info.version, imageStore: info.imageStore, isPrivate: false, stop: () => Promise.resolve() };
}
