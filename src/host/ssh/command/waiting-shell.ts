import { PassThrough, type Readable } from 'node:stream';
import type { NodeSSH } from 'node-ssh';
import type { ClientChannel } from 'ssh2';

export interface WaitingShellOptions {
  readonly stdin?: Readable;
  readonly onChannel: (channel: ClientChannel) => void;
  readonly onStdout: (chunk: Buffer) => void;
  readonly onStderr: (chunk: Buffer) => void;
}

type Outcome = Awaited<ReturnType<NodeSSH['execCommand']>>;

/** A shell reads a line from a pipe byte by byte: what follows it is there for the command. */
const waitForLine = `exec sh -c 'IFS= read -r line && eval "$line"'`;

/** A shell on the host that waits for its one command line: to run it then takes no round trip for a channel. */
export class WaitingShell {
  readonly #stdin = new PassThrough();
  readonly #outcome: Promise<Outcome>;
  #options: WaitingShellOptions | undefined;
  #channel: ClientChannel | undefined;
  #taken = false;

  /** Does not wait until it is open; one that does not open is never ready. */
  constructor(ssh: NodeSSH) {
    this.#outcome = ssh.execCommand(waitForLine, {
      stdin: this.#stdin,
      onChannel: (channel) => {
        this.#channel = channel;
        channel.once('close', () => {
          this.#channel = undefined;
        });
      },
      onStdout: (chunk) => this.#options?.onStdout(chunk),
      onStderr: (chunk) => this.#options?.onStderr(chunk),
    });
    this.#outcome.catch(() => {}); // then it is not ready
  }

  /** Whether it stands, was not used and could take this: of a command line with a line feed it would read the beginning alone. */
  isReadyFor(line: string): boolean {
    return this.#channel !== undefined && !this.#taken && !line.includes('\n');
  }

  run(line: string, options: WaitingShellOptions): Promise<Outcome> {
    this.#taken = true;
    this.#options = options;
    if (this.#channel) options.onChannel(this.#channel);
    this.#stdin.write(`${line}\n`);
    if (options.stdin) options.stdin.pipe(this.#stdin);
    else this.#stdin.end();
    return this.#outcome;
  }
}
