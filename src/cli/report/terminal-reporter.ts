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

  const list = (planned: TasksPlanned): ListrTask[] =>
    planned.tasks.map(({ id, title }) => {
      const row = new TaskRow(title, width);
      rows.set(id, row);
      return { title, task: (_, wrapper) => row.show(wrapper as Wrapper) };
    });

  const whenFree = (action: () => void): void => {
    if (livingLists === 0) action();
    else shown = shown.then(action);
  };

  const draw = (tasks: ListrTask[]): void => {
    livingLists += 1;
    shown = shown
      .then(async () => {
        const logger = new ListrLogger({ useIcons: true, processOutput: new ProcessOutput(output, output) });
        await new Listr(tasks, {
          registerSignalListeners: false,
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
        const tasks = list(event);
        if (event.parent === undefined) draw(tasks);
        else rows.get(event.parent)?.expand(tasks);
      } else if (event.type === 'task') {
        const row = rows.get(event.id);
        if (event.state === 'started') running = row;
        row?.change(event);
      } else if (event.type === 'progress') {
        rows.get(event.id)?.progress(event.doneBytes, event.totalBytes);
      } else if (event.level === 'warning' || (event.id === undefined && event.level === 'info')) {
        const mark = event.level === 'warning' ? 'warning: ' : '';
        whenFree(() => write(`${mark}${event.message}\n`));
      } else if (event.level === 'info') {
        rows.get(event.id ?? '')?.say(event.message);
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
