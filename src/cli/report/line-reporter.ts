import type { Writable } from 'node:stream';
import { formatDuration, formatProgress } from './format.ts';
import type { Reporter } from './reporter.ts';

/** Progress of a transfer is told this often where lines cannot be overwritten. */
const progressIntervalMs = 5_000;

/** Plain lines, for logs and CI: what began, how it ended, and now and then how far it is. */
export function createLineReporter(output: Writable, options: { verbose: boolean }): Reporter {
  const transfers = new Map<string, { startedAt: number; toldAt: number }>();
  const depth = (id: string) => '  '.repeat(id.split('/').length - 1);
  const line = (text: string) => output.write(`${text}\n`);
  return {
    emit: (event) => {
      if (event.type === 'log') {
        if (event.level === 'debug' && !options.verbose) return;
        const mark = event.level === 'warning' ? 'warning: ' : '';
        line(`${event.id ? depth(`${event.id}/`) : ''}${mark}${event.message}`);
      } else if (event.type === 'task') {
        const { id, title, state, detail, elapsedMs } = event;
        const time = elapsedMs !== undefined && elapsedMs >= 1000 ? ` (${formatDuration(elapsedMs)})` : '';
        if (state === 'started') line(`${depth(id)}> ${title}`);
        if (state === 'skipped') line(`${depth(id)}- ${title}: ${detail ?? 'skipped'}`);
        if (state === 'done') line(`${depth(id)}+ ${title}${detail ? `: ${detail}` : ''}${time}`);
        if (state === 'failed') line(`${depth(id)}x ${title}${time}`);
      } else if (event.type === 'progress') {
        const now = performance.now();
        const transfer = transfers.get(event.id) ?? { startedAt: now, toldAt: now };
        transfers.set(event.id, transfer);
        if (now - transfer.toldAt < progressIntervalMs) return;
        transfer.toldAt = now;
        line(`${depth(`${event.id}/`)}${formatProgress(event.doneBytes, event.totalBytes, now - transfer.startedAt)}`);
      }
    },
    finish: () => Promise.resolve(),
  };
}
