import net from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { ShipError } from '../../errors.ts';

/** QEMU's control socket (QEMU Machine Protocol). It closes when the emulator ends, however it ends. */
export interface QmpClient {
  /** Runs a command without arguments, whose answer is only that it is done. @throws ShipError E_QEMU with what QEMU answered, or that it has ended */
  execute(command: string): Promise<void>;
  /** Aborted when the emulator is gone. */
  readonly ended: AbortSignal;
  /** Leaves the emulator running. */
  close(): void;
}

interface Answer {
  readonly id?: number;
  readonly error?: { readonly desc: string };
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: ShipError) => void;
}

const connectAttempts = 50;
const retryAfterMs = 100;

/** Connects and leaves the negotiation mode. @throws ShipError E_QEMU when nobody listens there */
export async function connectQmp(socketFile: string): Promise<QmpClient> {
  const socket = await open(socketFile);
  const ended = new AbortController();
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  const end = (): void => {
    for (const { reject } of waiting.values()) reject(qemuError('The emulator has ended'));
    waiting.clear();
    ended.abort();
  };
  socket.on('error', () => {}); // `close` follows
  socket.once('close', end);
  createInterface({ input: socket }).on('line', (line) => {
    const answer = JSON.parse(line) as Answer;
    if (answer.id === undefined) return; // the greeting, or an event
    const asked = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (answer.error) asked?.reject(qemuError(`QEMU refuses: ${answer.error.desc}`));
    else asked?.resolve();
  });
  const execute = async (command: string): Promise<void> => {
    if (ended.signal.aborted) throw qemuError('The emulator has ended');
    const id = (lastId += 1);
    const answer = new Promise<void>((resolve, reject) => waiting.set(id, { resolve, reject }));
    socket.ref();
    socket.write(`${JSON.stringify({ execute: command, id })}\n`);
    try {
      await answer;
    } finally {
      // A process with nothing else to do may end, and leave the machine running.
      if (waiting.size === 0) socket.unref();
    }
  };
  await execute('qmp_capabilities');
  return {
    execute,
    ended: ended.signal,
    close: () => {
      socket.off('close', end);
      socket.destroy();
    },
  };
}

async function open(socketFile: string): Promise<net.Socket> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await new Promise<net.Socket>((resolve, reject) => {
        const socket = net.connect(socketFile);
        socket.once('connect', () => resolve(socket));
        socket.once('error', reject);
      });
    } catch (cause) {
      if (attempt === connectAttempts) throw qemuError(`Nobody listens at ${socketFile}`, cause);
      await delay(retryAfterMs);
    }
  }
}

function qemuError(message: string, cause?: unknown): ShipError {
  return new ShipError({ code: 'E_QEMU', message, ...(cause === undefined ? {} : { cause }) });
}
