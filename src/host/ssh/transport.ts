import net from 'node:net';
import type { Duplex } from 'node:stream';
import type { NodeSSH } from 'node-ssh';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError, interrupted } from '../../errors.ts';

/** For TCP and for the key exchange, each, where ssh_config has no ConnectTimeout. */
export const connectTimeoutMs = 15_000;
/** From the key exchange to the login: a key may wait for a touch. sshd's own LoginGraceTime is as long. */
export const loginTimeoutMs = 120_000;
/**
 * A dead link is noticed after these, where ssh_config has no ServerAliveInterval. Patient, because the answer queues
 * behind up to 2 MiB of an upload: 28 KiB/s still pass.
 */
export const keepaliveIntervalMs = 15_000;
export const keepaliveCountMax = 5;
/** After this long without traffic the kernel probes, too. */
const tcpKeepaliveMs = 30_000;

/**
 * A TCP connection.
 * @throws ShipError E_HOST_UNREACHABLE (refused, no route, unknown name, timeout), E_INTERRUPTED
 */
export async function connectTcp(context: Context, host: string, port: number, timeoutMs: number): Promise<net.Socket> {
  throwIfAborted(context);
  // ssh2 leaves Nagle's algorithm on, which costs every small request a round trip.
  const socket = net.connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: tcpKeepaliveMs });
  const deadline = AbortSignal.any([context.signal, AbortSignal.timeout(timeoutMs)]);
  const onAbort = () => socket.destroy(new Error(`no answer after ${timeoutMs / 1000} s`));
  deadline.addEventListener('abort', onAbort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return socket;
  } catch (error) {
    if (context.signal.aborted) throw abortReason(context);
    throw unreachable(host, port, error);
  } finally {
    deadline.removeEventListener('abort', onAbort);
    socket.removeAllListeners('error');
  }
}

/**
 * A connection from a jump host onwards.
 * @throws ShipError E_HOST_UNREACHABLE
 */
export async function connectThrough(jump: NodeSSH, jumpName: string, host: string, port: number): Promise<Duplex> {
  try {
    return await jump.forwardOut('127.0.0.1', 0, host, port);
  } catch (error) {
    throw unreachable(host, port, error, ` from ${jumpName}`);
  }
}

export function unreachable(host: string, port: number, cause: unknown, from = ''): ShipError {
  const { code, message } = causeOf(cause);
  const reason =
    code === 'ECONNREFUSED'
      ? 'refused'
      : code === 'ENOTFOUND' || code === 'EAI_AGAIN'
        ? 'the name is not known'
        : code === 'EHOSTUNREACH' || code === 'ENETUNREACH'
          ? 'no route'
          : message;
  return new ShipError({
    code: 'E_HOST_UNREACHABLE',
    message: `${host} port ${port} cannot be reached${from}: ${reason}`,
    remedy: 'Check that the host is on, that its address and port are right and that its SSH server runs.',
    exitStatus: ExitStatus.preflight,
    cause,
  });
}

/** The reason of the first address where several were tried. */
function causeOf(error: unknown): NodeJS.ErrnoException {
  const [first] = error instanceof AggregateError ? (error.errors as Error[]) : [];
  return first ?? (error as Error);
}

/** @throws ShipError E_INTERRUPTED, whatever the signal was aborted with */
export function throwIfAborted(context: Context): void {
  if (context.signal.aborted) throw abortReason(context);
}

export function abortReason(context: Context): Error {
  return context.signal.reason instanceof ShipError ? context.signal.reason : interrupted();
}
