import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import type { RunResult } from '../host/process.ts';
import type { Device } from './device.ts';
import { newLogName, runStatuses, startScript, type BegunRun } from './watch/run-log.ts';

/** What is cut at this size is sent again anyway: what has arrived is remembered in pieces as large. */
export const mostHandedOverBytes = 1024 * 1024;

/** Ends the part of the answer that is about the files. */
const arrivedMarker = 'prose-ship-arrived';
/** No status of a run, nor of one that did not start. */
const notArrivedStatus = 199;
/** In a folder of its own: one that is there may hold what an earlier upload brought, and is somebody else's affair. One line: see WaitingShell. */
const handOverScript = `mkdir -m 700 "$1" && tar -xof - -C "$1" || exit ${notArrivedStatus}; echo ${arrivedMarker}; shift; ${startScript}`;

/**
 * Unpacks files into a new folder of the host and starts a run of the updater with them, in one command, because round trips are
 * what a small update takes on a long line. Settles when the files are there; the run goes on.
 * @returns undefined where they could not be laid down so: the folder is there already, say
 * @throws ShipError E_CONNECTION_LOST, E_INTERRUPTED
 */
export async function handOver(device: Device, folder: string, files: ReadonlyMap<string, string | Buffer>, args: readonly string[]): Promise<BegunRun | undefined> {
  const logName = newLogName(args[0] ?? '');
  const lines: string[] = [];
  let onLine = (line: string): void => void lines.push(line);
  let onArrived = (): void => {};
  const arrived = new Promise<void>((resolve) => (onArrived = resolve));
  const answer: Promise<RunResult> = device.connection.run(['sh', '-c', handOverScript, device.paths.updater, folder, logName, ...args], {
    sudo: true,
    input: await packed(files),
    expect: [...runStatuses, notArrivedStatus],
    onLine: (line) => {
      if (line === arrivedMarker) onArrived();
      else onLine(line);
    },
  });
  answer.catch(() => {}); // awaited here and by whoever follows
  const failed = await Promise.race([arrived, answer]);
  if (failed) return undefined;
  return {
    logName,
    follow: (listener) => {
      lines.forEach(listener);
      onLine = listener;
      return answer;
    },
  };
}

async function packed(files: ReadonlyMap<string, string | Buffer>): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of files) archive.entry({ name, mode: 0o600 }, Buffer.from(content as Uint8Array));
  archive.finalize();
  return buffer(archive);
}
