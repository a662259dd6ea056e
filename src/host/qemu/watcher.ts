import { PassThrough } from 'node:stream';
import type { Context } from '../../context.ts';
import { start } from '../process.ts';

/** Ends a daemon of ours when we end, however we end. */
export interface Watcher {
  /** The daemon may outlive us once this is done, or has ended. Twice is fine. */
  release(): Promise<void>;
}

/**
 * Its standard input is a pipe that only we hold, so it reads its end when we are gone, also after SIGKILL. The daemon may just
 * have been started then, and its process id still be missing. Signals of a terminal and of a closed login are for us.
 */
const script = `
trap '' HUP INT TERM
exec >/dev/null 2>&1
read -r word && exit 0
attempts=60
while [ "$attempts" -gt 0 ]; do
  attempts=$((attempts - 1))
  pid=$(cat "$1") && [ -n "$pid" ] && { kill -s KILL "$pid"; exit 0; }
  sleep 1
done
`;

/**
 * Watches over the process whose id is in a file, or will be soon. Begin before the process is started, with no file of an
 * earlier one there. A POSIX shell does it, so that it works where there is no parent-death signal (macOS), and for daemons.
 */
export function watchOver(context: Context, pidFile: string): Watcher {
  const pipe = new PassThrough();
  // Ctrl-C ends us in order, and that releases it.
  const uninterrupted = { ...context, signal: new AbortController().signal };
  const child = start(uninterrupted, { program: 'sh', args: ['-c', script, 'sh', pidFile] }, { input: pipe, ownSession: true });
  child.nodeChildProcess.unref();
  child.catch(() => {}); // without it all is as before there was one
  return {
    release: async () => {
      if (!pipe.writableEnded) pipe.end('released\n');
      child.nodeChildProcess.ref();
      await child.catch(() => {});
    },
  };
}
