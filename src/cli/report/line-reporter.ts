import type { Writable } from 'node:stream';
import type { TaskChanged } from '../../events.ts';
import { formatDuration, formatProgress } from './format.ts';
import type { Reporter } from './reporter.ts';

/** Progress of a transfer is told this often where lines cannot be overwritten. */
const progressIntervalMs = 5_000;

/** Plain lines, for logs and CI: what began, how it ended, and now and then how far it is. */
export function createLineReporter(output: Writable, options: { verbose: boolean }): Reporter {
  const transfers = new Map<string, { startedAt: number; toldAt: number }>();
  const concurrent = new Set<string>();
  // Of tasks that run side by side every line names its own; elsewhere the depth tells it.
  const depth = (id: string) => {
    const [top = ''] = id.split('/');
    return concurrent.has(top) && id !== top ? `${top}: ` : '  '.repeat(id.split('/').length - 1);
  };
  const line = (indent: string, text: string) => output.write(`${text.replace(/^/gm, indent)}\n`);
  return {
    emit: (event) => {
      if (event.type === 'tasks') {
        if (event.parent === undefined) concurrent.clear();
        if (event.concurrent) for (const { id } of event.tasks) concurrent.add(id);
      } else if (event.type === 'log') {
        if (event.level === 'debug' && !options.verbose) return;
        const mark = event.level === 'warning' ? 'warning: ' : '';
        line(event.id === undefined ? '' : depth(`${event.id}/`), `${mark}${event.message}`);
      } else if (event.type === 'task') {
        transfers.delete(event.id);
        line(depth(event.id), describeChange(event));
      } else {
        const now = performance.now();
        const transfer = transfers.get(event.id) ?? { startedAt: now, toldAt: now };
        transfers.set(event.id, transfer);
        if (now - transfer.toldAt < progressIntervalMs) return;
        transfer.toldAt = now;
        line(depth(`${event.id}/`), formatProgress(event.doneBytes, event.totalBytes, now - transfer.startedAt));
      }
    },
    whenFree: (action) => action(),
    stopping: (message) => line('', message),
    finish: () => Promise.resolve(),
  };
}

/** `> began`, `+ done: what came of it (12 s)`, `- skipped: why`, `x failed`; the error itself follows at the end. */
function describeChange({ title, state, detail, elapsedMs }: TaskChanged): string {
  const time = elapsedMs !== undefined && elapsedMs >= 1000 ? ` (${formatDuration(elapsedMs)})` : '';
  switch (state) {
    case 'started':
      return `> ${title}`;
    case 'skipped':
      return `- ${title}: ${detail ?? 'skipped'}`;
    case 'done':
      return `+ ${title}${detail ? `: ${detail}` : ''}${time}`;
    case 'failed':
      return `x ${title}${time}`;
  }
}
