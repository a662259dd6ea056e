import type { Context } from '../context.ts';
import { pathsOf, updaterVersion } from '../device/files.ts';
import { parseInventory, type HostInventory } from '../device/inventory.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import { connect, type ConnectOptions, type Connection } from '../host/ssh/connection.ts';
import type { RunResult } from '../host/process.ts';
import type { Host } from '../site/model.ts';

/** A host that we are logged in to, and its updater. */
export interface Device {
  readonly host: Host;
  /** The login that stands now: another one after `reconnect`. */
  readonly connection: Connection;
  /** Where things are there. */
  readonly paths: ReturnType<typeof pathsOf>;
  /** Runs the updater as root, or as the login user where nobody is root. */
  readonly updater: (args: readonly string[], options?: UpdaterOptions) => Promise<RunResult>;
  /** The inventory that was asked for with the login; given once, because it gets old. */
  readonly takeInventory: () => RunResult | undefined;
  /**
   * Logs in anew, in place of a login that is lost.
   * @throws ShipError of `connect`; the device can be asked again
   */
  readonly reconnect: () => Promise<void>;
}

export interface UpdaterOptions {
  readonly onLine?: (line: string) => void;
  readonly expect?: readonly number[];
}

/** A login that whoever opened it closes; twice is fine. */
export interface OpenDevice extends Device {
  readonly close: () => Promise<void>;
}

export interface DeviceOptions extends ConnectOptions {
  /** Asks for the inventory with the login: who reads it anyway saves round trips. */
  readonly asksInventory?: boolean;
}

/** Exit statuses of the script, which the updater itself does not have. */
const noUpdater = 100;
const noRoot = 101;
const inventoryScript =
  `[ -x "$0" ] || exit ${noUpdater}; [ "$(id -u)" != 0 ] || exec "$0" inventory; ` +
  `sudo -n true 2>/dev/null || exit ${noRoot}; exec sudo -n -- "$0" inventory`;
const ownInventoryScript = `[ -x "$0" ] || exit ${noUpdater}; exec "$0" inventory`;

/** Logs in. @throws ShipError of `connect` */
export async function openDevice(context: Context, host: Host, { asksInventory = false, ...options }: DeviceOptions): Promise<OpenDevice> {
  const paths = pathsOf(host);
  const login = host.engine === 'none' ? { ...options, withoutRoot: true } : options;
  const first = ['sh', '-c', host.engine === 'none' ? ownInventoryScript : inventoryScript, paths.updater];
  let connection = await connect(context, host, asksInventory ? { ...login, first } : login);
  let inventory = connection.first;
  let closed = false;
  return {
    host,
    paths,
    get connection() {
      return connection;
    },
    takeInventory: () => {
      const taken = inventory;
      inventory = undefined;
      return taken;
    },
    updater: (args, updaterOptions) => connection.run([paths.updater, ...args], { sudo: true, ...updaterOptions }),
    reconnect: async () => {
      await connection.close();
      const again = await connect(context, host, login);
      connection = again;
      if (closed) await again.close();
    },
    close: async () => {
      closed = true;
      await connection.close();
    },
  };
}

/** Runs `work` with a login on `host`, which is closed whatever happens. */
export async function withDevice<T>(
  context: Context,
  host: Host,
  options: DeviceOptions,
  work: (device: Device) => Promise<T>,
): Promise<T> {
  const device = await openDevice(context, host, options);
  try {
    return await work(device);
  } finally {
    await device.close();
  }
}

/**
 * What the host has.
 * @throws ShipError E_NOT_PROVISIONED when there is no updater or an older one, E_ENGINE_NOT_RUNNING; exit status 3
 */
export async function readInventory(device: Device): Promise<HostInventory> {
  const { host } = device;
  const asked = device.takeInventory();
  // Where root's rights are missing, the ordinary way tells so.
  const { exitCode, stdout, stderr } = asked && asked.exitCode !== noRoot ? asked : await askInventory(device);
  if (exitCode === noUpdater) throw notProvisioned(host, `${host.name} has no updater yet`);
  if (exitCode !== 0) {
    throw new ShipError({
      code: 'E_ENGINE_NOT_RUNNING',
      message: `The Docker engine of ${host.name} does not answer`,
      output: stderr,
      remedy: 'Look at `sudo systemctl status docker` there, or run `prose-ship provision` to install it.',
      exitStatus: ExitStatus.preflight,
    });
  }
  const inventory = parseInventory(stdout);
  const wanted = updaterVersion();
  if (inventory.updaterVersion < wanted) {
    throw notProvisioned(host, `${host.name} has version ${inventory.updaterVersion} of the updater, version ${wanted} is needed`);
  }
  return inventory;
}

async function askInventory({ connection, updater, paths }: Device): Promise<RunResult> {
  const present = await connection.run(['test', '-x', paths.updater], { expect: [1] });
  return present.exitCode === 0 ? updater(['inventory'], { expect: [1, 2, 127] }) : { ...present, exitCode: noUpdater };
}

function notProvisioned(host: Host, message: string): ShipError {
  return new ShipError({
    code: 'E_NOT_PROVISIONED',
    message,
    remedy: `Run \`prose-ship provision ${host.name}\` first; it changes nothing that runs.`,
    exitStatus: ExitStatus.preflight,
  });
}
