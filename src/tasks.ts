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
