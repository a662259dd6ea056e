/** A service that runs out of its unpacked image, as the login user. */
export interface ProcessPolicy {
  readonly service: string;
  /** Name of the rendered file that gets `command`, and every other command, as its arguments. */
  readonly entrypoint: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** TCP; none below 1024. */
  readonly ports: readonly number[];
  readonly stopSeconds: number;
}
