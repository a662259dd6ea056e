import type { EventEmitter } from 'node:events';
import type { NodeSSH } from 'node-ssh';
import type { Client } from 'ssh2';
import type { Context } from '../../context.ts';
import { ShipError } from '../../errors.ts';
import { abortReason, throwIfAborted } from './transport.ts';

/** How long an orderly end may take before the socket is closed. */
const closeTimeoutMs = 2_000;

/** A login, and the one place that knows whether it still stands. */
export class Session {
  readonly name: string;
  readonly user: string;
  readonly ssh: NodeSSH;
  readonly client: Client;
  readonly #context: Context;
  readonly #jump: Session | undefined;
  readonly #lost = new AbortController();
  #closing = false;
  #reason = 'the host hung up';

  constructor(context: Context, { name, user }: { name: string; user: string }, ssh: NodeSSH, client: Client, jump: Session | undefined) {
    this.#context = context;
    this.name = name;
    this.user = user;
    this.ssh = ssh;
    this.client = client;
    this.#jump = jump;
    client.setMaxListeners(0); // every operation under way listens for the end
    client.on('error', (error: Error) => {
      this.#reason = error.message;
    });
    client.once('close', () => this.#lost.abort(this.#lostError()));
  }

  /** Aborted with E_CONNECTION_LOST when the connection ends, however it ends. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Settles like `operation`, or as soon as the connection or the run ends, for ssh2 then forgets its callbacks. */
  async guard<T>(operation: () => Promise<T>): Promise<T> {
    throwIfAborted(this.#context);
    this.lost.throwIfAborted();
    const ended = AbortSignal.any([this.#context.signal, this.lost]);
    let onEnd = () => {};
    const end = new Promise<never>((_, reject) => {
      onEnd = () => reject(this.lost.aborted ? this.#lostError() : abortReason(this.#context));
      ended.addEventListener('abort', onEnd, { once: true });
    });
    try {
      return await Promise.race([operation(), end]);
    } catch (error) {
      // An operation fails by itself just before the connection's end is known.
      if (!(error instanceof ShipError)) await this.throwIfEnding();
      throw error;
    } finally {
      ended.removeEventListener('abort', onEnd);
    }
  }

  /** Ends the login, then the logins of the jump hosts. Like OpenSSH's client it says so and does not wait for the answer. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.lost.aborted) return this.#jump?.close();
    this.ssh.dispose();
    void settled(this.client, 'close', closeTimeoutMs).then(() => {
      this.client.destroy();
      return this.#jump?.close();
    });
  }

  /** @throws ShipError E_CONNECTION_LOST, also when the end has only begun */
  async throwIfEnding(): Promise<void> {
    if (!this.lost.aborted && !this.ssh.isConnected()) await settled(this.client, 'close', closeTimeoutMs);
    this.lost.throwIfAborted();
  }

  #lostError(): ShipError {
    return new ShipError({
      code: 'E_CONNECTION_LOST',
      message: this.#closing
        ? `The connection to ${this.name} was closed`
        : `The connection to ${this.name} is lost: ${this.#reason}`,
      remedy: 'Check the network and run the same command again.',
    });
  }
}

/** Waits for an event, but not for ever. */
async function settled(emitter: EventEmitter, event: string, timeoutMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, timeoutMs);
    function done() {
      clearTimeout(timer);
      emitter.off(event, done);
      resolve();
    }
    emitter.once(event, done);
  });
}
