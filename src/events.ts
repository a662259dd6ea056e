/**
 * The core never prints: it emits these events, and whoever called it (command line, test, other program) shows them.
 * They are also the lines of `--json`, so they are plain data and hold no secret.
 */

export type TaskState = 'started' | 'done' | 'skipped' | 'failed';

/** A list of tasks is about to run; `parent` is the task that they belong to, or absent at the top. */
export interface TasksPlanned {
  readonly type: 'tasks';
  readonly parent?: string;
  readonly tasks: readonly { readonly id: string; readonly title: string }[];
  /** Several of them run at once, so their events are mixed. */
  readonly concurrent?: true;
}

export interface TaskChanged {
  readonly type: 'task';
  readonly id: string;
  readonly title: string;
  readonly state: TaskState;
  /** Why it was skipped, what came out of it, or the error's message. */
  readonly detail?: string;
  readonly elapsedMs?: number;
}

export interface TaskProgress {
  readonly type: 'progress';
  readonly id: string;
  readonly doneBytes: number;
  /** Absent where the total is not known. */
  readonly totalBytes?: number;
}

/** What a running task has to say: a line of a tool's output, a step of a build. */
export interface LogLine {
  readonly type: 'log';
  readonly id?: string;
  readonly level: 'debug' | 'info' | 'warning';
  readonly message: string;
}

export type ShipEvent = TasksPlanned | TaskChanged | TaskProgress | LogLine;

export type Emit = (event: ShipEvent) => void;
