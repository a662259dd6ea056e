import { Listr, type ListrTask, type ListrTaskWrapper, type DefaultRenderer, type SimpleRenderer } from 'listr2';
import type { TaskChanged, TasksPlanned } from '../../events.ts';
import { formatDuration, formatProgress } from './format.ts';
import type { Reporter } from './reporter.ts';

/**
 * A living task list. The core runs its own tasks and only tells of them; each of listr2's tasks here just waits for the
 * events of the one that it shows.
 */
export function createTerminalReporter(output: NodeJS.WriteStream, options: { verbose: boolean }): Reporter {
  const rows = new Map<string, Row>();
  let shown: Promise<unknown> = Promise.resolve();

  const row = (id: string): Row => {
    const existing = rows.get(id);
    if (existing) return existing;
    const made = new Row();
    rows.set(id, made);
    return made;
  };

  const listed = (planned: TasksPlanned): ListrTask[] =>
    planned.tasks.map(({ id, title }) => ({ title, task: (_, wrapper) => row(id).show(wrapper as Wrapper, listed) }));

  const begin = (planned: TasksPlanned): void => {
    for (const { id } of planned.tasks) rows.set(id, new Row());
    if (planned.parent !== undefined) {
      row(planned.parent).expand(planned);
      return;
    }
    const list = new Listr(listed(planned), {
      registerSignalListeners: false,
      renderer: 'default',
      rendererOptions: { collapseSubtasks: false, collapseErrors: false, showErrorMessage: false },
    });
    shown = shown.then(() => list.run()).catch(() => {}); // the failure itself is printed by whoever caught it
  };

  return {
    emit: (event) => {
      if (event.type === 'tasks') begin(event);
      else if (event.type === 'task') row(event.id).change(event);
      else if (event.type === 'progress') row(event.id).progress(event.doneBytes, event.totalBytes);
      else if (event.id !== undefined && event.level !== 'debug') row(event.id).say(event.message);
      else if (event.level === 'warning' || (options.verbose && event.level === 'debug')) output.write(`${event.message}\n`);
      else if (event.level === 'info') output.write(`${event.message}\n`);
    },
    finish: async () => {
      for (const open of rows.values()) open.abandon();
      await shown;
    },
  };
}

type Wrapper = ListrTaskWrapper<unknown, typeof DefaultRenderer, typeof SimpleRenderer>;

/** One line of the list: what has happened to the task, and what listr2 must be told when it gets there. */
class Row {
  #wrapper: Wrapper | undefined;
  #startedAt = performance.now();
  #finalTitle: string | undefined;
  #skipped: string | undefined;
  readonly #ended = Promise.withResolvers<undefined>();
  readonly #expanded = Promise.withResolvers<TasksPlanned | undefined>();

  constructor() {
    this.#ended.promise.catch(() => {}); // told to listr2 where it listens
  }

  async show(wrapper: Wrapper, listed: (planned: TasksPlanned) => ListrTask[]): Promise<unknown> {
    this.#wrapper = wrapper;
    this.#settle(); // it may have ended before its line came up
    const children = await this.#expanded.promise;
    if (!children) return this.#ended.promise;
    const list = wrapper.newListr(listed(children) as never, { exitOnError: true });
    return list;
  }

  expand(planned: TasksPlanned): void {
    this.#expanded.resolve(planned);
  }

  change({ state, title, detail, elapsedMs }: TaskChanged): void {
    if (state === 'started') {
      this.#startedAt = performance.now();
      return;
    }
    const time = elapsedMs !== undefined && elapsedMs >= 1000 ? ` (${formatDuration(elapsedMs)})` : '';
    this.#finalTitle = state === 'done' && detail ? `${title}: ${detail}${time}` : `${title}${time}`;
    if (state === 'skipped') this.#skipped = `${title}: ${detail ?? 'skipped'}`;
    this.#settle();
    if (state === 'failed') this.#ended.reject(new Error(detail ?? 'failed'));
    else this.#ended.resolve(undefined);
    this.#expanded.resolve(undefined);
  }

  #settle(): void {
    if (!this.#wrapper) return;
    if (this.#finalTitle !== undefined) this.#wrapper.title = this.#finalTitle;
    if (this.#skipped !== undefined) this.#wrapper.skip(this.#skipped);
  }

  progress(doneBytes: number, totalBytes: number | undefined): void {
    this.say(formatProgress(doneBytes, totalBytes, performance.now() - this.#startedAt));
  }

  say(message: string): void {
    if (this.#wrapper) this.#wrapper.output = message;
  }

  /** The run ended without this task: let listr2 go. */
  abandon(): void {
    this.#ended.reject(new Error('not run'));
    this.#expanded.resolve(undefined);
  }
}
