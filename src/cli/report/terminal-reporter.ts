import { DefaultRenderer, figures, Listr, ListrLogger, ProcessOutput, type ListrTask } from 'listr2';
import type { TasksPlanned } from '../../events.ts';
import type { Reporter } from './reporter.ts';
import { TaskRow, type Wrapper } from './task-row.ts';

const showCursor = '\u001B[?25h';

/** A parent that failed looks like its child that did. */
const icon = { FAILED_WITH_SUBTASKS: figures.cross } as object;

/** listr2 draws only where standard output is a terminal; what counts here is whether `output` is one. */
class TerminalRenderer extends DefaultRenderer {
  static override nonTTY = true;
}

/**
 * A living task list. The core runs its own tasks and only tells of them; each of listr2's tasks here just waits for the
 * events of the one that it shows. Whatever else is to be written waits until the list stands still.
 */
export function createTerminalReporter(output: NodeJS.WriteStream, options: { verbose: boolean }): Reporter {
  const rows = new Map<string, TaskRow>();
  const width = () => output.columns;
  let shown: Promise<void> = Promise.resolve();
  let livingLists = 0;
  let running: TaskRow | undefined;
  // listr2 takes `write` over while it draws; a process that ends at once must still leave a cursor behind.
  const write = output.write.bind(output);
  const onExit = () => write(showCursor);

  /** Tasks that run side by side have one line each: what their children tell is shown there. */
  const concurrent = new Set<TaskRow>();
  const rowOf = (id: string): { row: TaskRow | undefined; shared?: string } => {
    const [top = ''] = id.split('/');
    const row = rows.get(top);
    return row && concurrent.has(row) && id !== top ? { row, shared: top } : { row: rows.get(id) };
  };

  const list = (planned: TasksPlanned): ListrTask[] =>
    planned.tasks.map(({ id, title }) => {
      const row = new TaskRow(title, width);
      rows.set(id, row);
      if (planned.concurrent) concurrent.add(row);
      return { title, task: (_, wrapper) => row.show(wrapper as Wrapper) };
    });

  const whenFree = (action: () => void): void => {
    if (livingLists === 0) action();
    else shown = shown.then(action);
  };

  const draw = (tasks: ListrTask[], isConcurrent: boolean): void => {
    livingLists += 1;
    shown = shown
      .then(async () => {
        const logger = new ListrLogger({ useIcons: true, processOutput: new ProcessOutput(output, output) });
        await new Listr(tasks, {
          registerSignalListeners: false,
          concurrent: isConcurrent,
          exitOnError: !isConcurrent,
          renderer: TerminalRenderer,
          rendererOptions: { collapseSubtasks: false, collapseErrors: false, showErrorMessage: false, logger, icon },
        }).run();
      })
      .catch(() => {}) // the failure itself is printed by whoever caught it
      .then(() => {
        livingLists -= 1;
      });
  };

  process.on('exit', onExit);
  return {
    emit: (event) => {
      if (event.type === 'tasks') {
        if (event.parent === undefined) draw(list(event), event.concurrent ?? false);
        else if (rowOf(`${event.parent}/`).shared === undefined) rows.get(event.parent)?.expand(list(event));
      } else if (event.type === 'task') {
        const { row, shared } = rowOf(event.id);
        if (event.state === 'started') running = row;
        if (shared === undefined) row?.change(event);
        else if (event.state === 'started') row?.step(`${shared}: ${event.title}`);
      } else if (event.type === 'progress') {
        rowOf(event.id).row?.progress(event.doneBytes, event.totalBytes);
      } else if (event.level === 'warning' || (event.id === undefined && event.level === 'info')) {
        const mark = event.level === 'warning' ? 'warning: ' : '';
        whenFree(() => write(`${mark}${event.message}\n`));
      } else if (event.level === 'info') {
        const { row, shared } = rowOf(event.id ?? '');
        if (shared === undefined) row?.say(event.message);
        else row?.step(`${shared}: ${event.message}`);
      } else if (options.verbose) {
        whenFree(() => write(`${event.message}\n`));
      }
    },
    whenFree,
    stopping: (message) => {
      if (livingLists === 0) write(`\n${message}\n`);
      else running?.say(message, { untilTheEnd: true });
    },
    finish: async () => {
      for (const row of rows.values()) row.abandon();
      await shown;
      process.off('exit', onExit);
    },
  };
}
