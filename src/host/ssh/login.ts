import { NodeSSH } from 'node-ssh';
import type { Client } from 'ssh2';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { HostAddress } from './address.ts';
import { Authentication } from './authentication.ts';
import { type SshSettings, sshSettings } from './config.ts';
import { type HostKeyPolicy, HostKeyVerifier, UnknownHostKeyError } from './host-key.ts';
import { fingerprint, hostKeyOf } from './known-hosts.ts';
import { Session } from './session.ts';
import {
  abortReason,
  connectTcp,
  connectThrough,
  connectTimeoutMs,
  keepaliveCountMax,
  keepaliveIntervalMs,
  loginTimeoutMs,
  unreachable,
} from './transport.ts';

/** More hops than this are a circle in ssh_config. */
const mostJumps = 8;

/**
 * Logs in, through the jump hosts that ssh_config names. Each hop has its own settings and its own host key check.
 * @param jumps instead of ssh_config's, as `ssh -J`
 */
export async function logIn(
  context: Context,
  host: HostAddress,
  policy: HostKeyPolicy,
  jumps?: readonly HostAddress[],
  depth = 0,
): Promise<Session> {
  if (depth > mostJumps) {
    throw new ShipError({
      code: 'E_SSH_CONFIG',
      message: `ProxyJump to '${host.address}' goes in a circle`,
      remedy: 'Correct ProxyJump in ssh_config.',
      exitStatus: ExitStatus.preflight,
    });
  }
  const settings = await sshSettings(context, host);
  const route = jumps ?? settings.proxyJumps;
  const last = route.at(-1);
  // Like ssh: the last hop is reached by those before it; the first one by what its own settings say.
  const jump = last
    ? await logIn(context, last, policy, route.length > 1 ? route.slice(0, -1) : undefined, depth + 1)
    : undefined;
  try {
    return await logInDeciding(context, host, settings, policy, jump);
  } catch (error) {
    await jump?.close();
    throw error;
  }
}

/** Tries once, and once more after an unknown key was accepted: nothing waits for a person with a connection open. */
async function logInDeciding(
  context: Context,
  host: HostAddress,
  settings: SshSettings,
  policy: HostKeyPolicy,
  jump: Session | undefined,
): Promise<Session> {
  const verifier = await HostKeyVerifier.read(settings);
  try {
    return await attempt(context, host, settings, verifier, jump);
  } catch (error) {
    if (!(error instanceof UnknownHostKeyError)) throw error;
    const accepted =
      policy.acceptHostKey === fingerprint(error.key.blob) || (await policy.confirmHostKey?.(error.question)) === true;
    if (!accepted) throw error;
    await verifier.accept(error.key);
    return await attempt(context, host, settings, verifier, jump);
  }
}

async function attempt(
  context: Context,
  host: HostAddress,
  settings: SshSettings,
  verifier: HostKeyVerifier,
  jump: Session | undefined,
): Promise<Session> {
  const { hostname, port } = settings;
  const name = host.name ?? host.address;
  const authentication = await Authentication.prepare(settings);
  const timeoutMs = settings.connectTimeoutMs ?? connectTimeoutMs;
  const sock = jump
    ? await jump.guard(() => connectThrough(jump.ssh, jump.name, hostname, port))
    : await connectTcp(context, hostname, port, timeoutMs);

  let refusal: ShipError | undefined;
  const ssh = new NodeSSH();
  const ready = ssh.connect({
    sock,
    username: settings.user,
    algorithms: { serverHostKey: verifier.algorithms() },
    hostVerifier: (blob: Buffer) => {
      refusal = verifier.check(hostKeyOf(blob));
      return refusal === undefined;
    },
    authHandler: authentication.handler(),
    readyTimeout: loginTimeoutMs,
    keepaliveInterval: settings.serverAliveIntervalMs || keepaliveIntervalMs,
    keepaliveCountMax: settings.serverAliveIntervalMs ? settings.serverAliveCountMax : keepaliveCountMax,
  });
  const client = ssh.connection as Client; // there since `connect` was called
  const session = new Session(context, { name, user: settings.user }, ssh, client, jump);
  const fail = (error: Error) => client.emit('error', error);
  let exchanged = false as boolean;
  const timer = setTimeout(() => fail(new Error(`no SSH server answered in ${timeoutMs / 1000} s`)), timeoutMs);
  client.once('handshake', () => {
    exchanged = true;
    clearTimeout(timer);
  });
  const onAbort = () => fail(new Error('interrupted'));
  context.signal.addEventListener('abort', onAbort, { once: true });
  try {
    await ready;
    return session;
  } catch (error) {
    client.destroy();
    if (context.signal.aborted) throw abortReason(context);
    if (refusal) throw refusal;
    if (!exchanged || isLinkError(error)) throw unreachable(hostname, port, error, jump ? ` from ${jump.name}` : '');
    throw authentication.failure(name, error instanceof Error ? error.message : undefined);
  } finally {
    clearTimeout(timer);
    context.signal.removeEventListener('abort', onAbort);
  }
}

/** By the `level` that ssh2 gives its errors. */
function isLinkError(error: unknown): boolean {
  const { level } = error as { level?: string };
  return level === 'client-socket' || level === 'client-timeout';
}
