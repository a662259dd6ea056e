import type { FileTemplate } from '../template/file-template.ts';

/** Files for programs that run outside containers, and what must be done when one changed, came or went. */
export interface HostPolicy {
  readonly files: readonly HostFileTemplate[];
  /** In the order in which they run. */
  readonly actions: readonly HostAction[];
  /** What `status` asks the host; absent: nothing. */
  readonly checks?: readonly HostCheck[];
}

/** `name` is made of the path, and is that of no other file of the release. */
export interface HostFileTemplate extends FileTemplate {
  /** Absolute path on the host. */
  readonly path: string;
  readonly action?: string;
}

export interface HostAction {
  readonly name: string;
  /** Program and arguments; must succeed before any action is applied. */
  readonly check?: readonly string[];
  readonly apply: readonly string[];
  /** For each of the two. */
  readonly timeoutSeconds: number;
}

/** Ends with 0 where all is well, else says on each line one thing that is not. */
export interface HostCheck {
  readonly name: string;
  readonly command: readonly string[];
}
