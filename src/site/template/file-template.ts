/** A template of the recipe that is rendered into a release and mounted read-only into containers. */
export interface FileTemplate {
  /** Unique file name; the Compose template refers to it by `{{ 'prosody.cfg.lua' | file }}`. */
  readonly name: string;
  /** Absolute path of the template. */
  readonly template: string;
  /** Permission bits, 0o640. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}
