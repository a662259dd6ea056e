import type { ListrTask, ListrTaskWrapper, DefaultRenderer, SimpleRenderer } from 'listr2';
import type { TaskChanged } from '../../events.ts';
import { formatDuration, formatProgress, shorten } from './format.ts';

export type Wrapper = ListrTaskWrapper<unknown, typeof DefaultRenderer, typeof SimpleRenderer>;

/** Marks, indentation and a margin beside a row's text. */
const besideText = 12;

/** One line of the living list: what has happened to its task, and what listr2 must be told when it gets there. */
export class TaskRow {
  readonly #title: string;
  readonly #width: () => number;
  #wrapper: Wrapper | undefined;
  #startedAt = performance.now();
  #liveTitle: string | undefined;
  #finalTitle: string | undefined;
  #skipped: string | undefined;
  #saysItsLast = false;
  #step: string | undefined;
  readonly #ended = Promise.withResolvers<undefined>();
  readonly #expanded = Promise.withResolvers<ListrTask[] | undefined>();

  constructor(title: string, width: () => number) {
    this.#title = title;
    this.#width = width;
    this.#ended.promise.catch(() => {}); // told to listr2 where it listens
  }

  async show(wrapper: Wrapper): Promise<unknown> {
    this.#wrapper = wrapper;
    this.#settle(); // it may have ended before its line came up
    const children = await this.#expanded.promise;
    if (!children) return this.#ended.promise;
    // The nameless last child is not drawn: it keeps the parent going until the parent itself has ended.
    return wrapper.newListr([...children, { task: () => this.#ended.promise }] as never, { exitOnError: true });
  }

  expand(children: ListrTask[]): void {
    this.#expanded.resolve(children);
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
    const title = this.#finalTitle ?? this.#liveTitle;
    if (title !== undefined) this.#wrapper.title = title;
    if (this.#skipped !== undefined) this.#wrapper.skip(this.#skipped);
  }

  /** Shown in the row itself, so that what the task says stays readable below it. */
  progress(doneBytes: number, totalBytes: number | undefined): void {
    const text = `${this.#step ?? this.#title}: ${formatProgress(doneBytes, totalBytes, performance.now() - this.#startedAt)}`;
    this.#live(this.#step === undefined ? text : shorten(text, this.#width() - besideText));
  }

  /** What the task is at, in place of its title, where it has this one line for all of its children. */
  step(text: string): void {
    this.#step = text;
    this.#startedAt = performance.now();
    this.#live(shorten(text, this.#width() - besideText));
  }

  #live(title: string): void {
    this.#liveTitle = title; // its line may come up later
    if (this.#wrapper && this.#finalTitle === undefined) this.#wrapper.title = title;
  }

  /** The last line of `message`, below the row; nothing replaces one that holds until the end. */
  say(message: string, { untilTheEnd = false } = {}): void {
    if (!this.#wrapper || this.#saysItsLast) return;
    this.#saysItsLast = untilTheEnd;
    const line = message.trimEnd().split(/[\r\n]/).at(-1) ?? '';
    if (line.trim() !== '') this.#wrapper.output = shorten(line.trim(), this.#width() - besideText);
  }

  /** The run ended without this task: let listr2 go. */
  abandon(): void {
    this.#ended.reject(new Error('not run'));
    this.#expanded.resolve(undefined);
  }
}
