import type { Context } from './context.ts';

/** What a running task may report about itself. */
export interface TaskReport {
  /** Replaces the one line that says what came out of the task. */
  readonly detail: (text: string) => void;
  readonly progress: (doneBytes: number, totalBytes?: number) => void;
  readonly log: (message: string, level?: 'debug' | 'info' | 'warning') => void;
  /** Runs tasks as children of this one. */
  readonly children: (tasks: readonly Task[]) => Promise<void>;
}

/** One step of carrying out a plan. Tasks are made from plans and run in order; they hold no state of their own. */
export interface Task {
  /** Short, unique among its siblings, stable: `build:server`. */
  readonly id: string;
  readonly title: string;
  /** A reason not to run it (`already there`), or undefined. */
  skip?(): string | undefined | Promise<string | undefined>;
  run(report: TaskReport): void | Promise<void>;
}

/** Runs tasks one after another and emits their events; the first failure ends the list and is thrown. */
export async function runTasks(context: Context, tasks: readonly Task[], parent?: string): Promise<void> {
  const identify = (task: Task) => (parent ? `${parent}/${task.id}` : task.id);
  context.emit({
    type: 'tasks',
    ...(parent ? { parent } : {}),
    tasks: tasks.map((task) => ({ id: identify(task), title: task.title })),
  });
  for (const task of tasks) await runTask(context, task, identify(task));
}

export interface ParallelOptions {
  /** How many tasks run at once; they begin in the order of the list. */
  readonly concurrency: number;
  /** After a failure no further task begins, unless the others do not depend on it. Default: `stop`. */
  readonly afterFailure?: 'stop' | 'go-on';
}

/**
 * Runs several tasks at once. What runs when one fails, or when the context is aborted, is waited for; what has not begun
 * by then is told of as skipped. Throws the first failure.
 */
export async function runTasksInParallel(context: Context, tasks: readonly Task[], options: ParallelOptions): Promise<void> {
  const { concurrency, afterFailure = 'stop' } = options;
  context.emit({
    type: 'tasks',
    tasks: tasks.map(({ id, title }) => ({ id, title })),
    ...(Math.min(concurrency, tasks.length) > 1 ? { concurrent: true } : {}),
  });
  const waiting = [...tasks];
  const failures: unknown[] = [];
  const mayBegin = () => !context.signal.aborted && (failures.length === 0 || afterFailure === 'go-on');
  const work = async () => {
    for (let task = waiting[0]; task && mayBegin(); task = waiting[0]) {
      waiting.shift();
      await runTask(context, task, task.id).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  for (const { id, title } of waiting) context.emit({ type: 'task', id, title, state: 'skipped', detail: 'not started' });
  if (failures.length > 0) throw failures[0];
  if (waiting.length > 0) context.signal.throwIfAborted();
}

async function runTask(context: Context, task: Task, id: string): Promise<void> {
  const { emit } = context;
  const { title } = task;
  const startedAt = performance.now();
  const elapsedMs = () => Math.round(performance.now() - startedAt);
  let detail: string | undefined;
  try {
    context.signal.throwIfAborted();
    const reason = await task.skip?.();
    if (reason !== undefined) {
      emit({ type: 'task', id, title, state: 'skipped', detail: reason });
      return;
    }
    emit({ type: 'task', id, title, state: 'started' });
    await task.run({
      detail: (text) => {
        detail = context.secrets.redact(text);
      },
      progress: (doneBytes, totalBytes) =>
        emit({ type: 'progress', id, doneBytes, ...(totalBytes === undefined ? {} : { totalBytes }) }),
      log: (message, level = 'info') => emit({ type: 'log', id, level, message: context.secrets.redact(message) }),
      children: (tasks) => runTasks(context, tasks, id),
    });
    emit({ type: 'task', id, title, state: 'done', elapsedMs: elapsedMs(), ...(detail ? { detail } : {}) });
  } catch (error) {
    const message = context.secrets.redact(error instanceof Error ? error.message : String(error));
    emit({ type: 'task', id, title, state: 'failed', elapsedMs: elapsedMs(), detail: message });
    throw error;
  }
}
