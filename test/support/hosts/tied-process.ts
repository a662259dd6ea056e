import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** Starts a program that the kernel kills when this process dies, however it dies. */
export function spawnTied(words: readonly string[]): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Waits for the first line of output that begins so. */
export async function firstLine(child: ChildProcess, prefix: string): Promise<string> {
  if (!child.stdout || !child.stderr) throw new Error('no pipes');
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (text) => text.startsWith(prefix) && resolve(text));
    child.once('exit', (code) => reject(new Error(`${child.spawnargs.join(' ')}: exit ${String(code)}: ${errors}`)));
  });
  // A test must be able to end with a host still up: `exit` then destroys it.
  child.unref();
  for (const pipe of [child.stdout, child.stderr]) (pipe as { unref?: () => void }).unref?.();
  return line;
}

/** Waits for the end of a program. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  await once(child, 'exit');
}

export function killQuietly(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}
