import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Context } from '../../context.ts';
import { ShipError, interrupted } from '../../errors.ts';

/** A lock on a file (flock(2)) that the kernel takes back when this process ends, however it ends. */
export interface Lease {
  release(): Promise<void>;
}

/**
 * Waits for a shared or exclusive lock on `file`, which is made with its folder where it is missing. A child holds it
 * (Node has no flock) and ends when its standard input closes; it runs in a session of its own, so that Ctrl-C in a
 * terminal does not take the lock away from a process that is still cleaning up.
 * @throws ShipError E_INTERRUPTED when the context is aborted while waiting, E_LOCK_FAILED
 */
export async function acquireLease(context: Context, file: string, kind: 'shared' | 'exclusive'): Promise<Lease> {
  // flock makes the file itself, but no folder.
  await mkdir(path.dirname(file), { recursive: true });
  context.signal.throwIfAborted();
  const child = spawn('flock', [`--${kind}`, '--no-fork', file, 'sh', '-c', 'echo held && exec cat'], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const abort = (): void => void child.kill('SIGKILL');
  context.signal.addEventListener('abort', abort, { once: true });
  try {
    await held(child);
  } catch (cause) {
    if (context.signal.aborted) throw interrupted();
    throw new ShipError({
      code: 'E_LOCK_FAILED',
      message: `The lock ${file} could not be taken`,
      remedy: 'Install util-linux, which brings `flock`.',
      cause,
    });
  } finally {
    context.signal.removeEventListener('abort', abort);
  }
  child.unref();
  return {
    async release() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.ref();
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

async function held(child: ChildProcess & { stdout: NodeJS.ReadableStream }): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', () => resolve());
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`flock ended with status ${String(code)}`)));
  });
}

/** Whether such a lock could be taken at this moment. */
export async function canLock(file: string, kind: 'shared' | 'exclusive'): Promise<boolean> {
  const child = spawn('flock', [`--${kind}`, '--nonblock', file, 'true'], { detached: true, stdio: 'ignore' });
  const [status] = (await once(child, 'exit')) as [number | null];
  return status === 0;
}
