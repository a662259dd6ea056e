import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Client, ClientChannel } from 'ssh2';

export interface StreamOptions {
  readonly stdin?: Readable;
  readonly output: Writable;
  readonly onChannel: (channel: ClientChannel) => void;
  readonly onStderr: (chunk: Buffer) => void;
}

/**
 * Runs a command whose standard output flows into a stream at that stream's pace and is kept nowhere: node-ssh collects
 * all output as text. Settles when the command has ended and `output` has taken everything.
 */
export async function streamCommand(
  client: Client,
  line: string,
  { stdin, output, onChannel, onStderr }: StreamOptions,
): Promise<{ code: number | null; signal: string | null }> {
  const channel = await new Promise<ClientChannel>((resolve, reject) => {
    client.exec(line, (error, opened) => {
      if (error) reject(error);
      else resolve(opened);
    });
  });
  onChannel(channel);
  const status: { code: number | null; signal: string | null } = { code: null, signal: null };
  channel.on('exit', (code: number | null, signal?: string) => {
    status.code = code;
    status.signal = signal ?? null;
  });
  channel.stderr.on('data', onStderr);
  if (stdin) stdin.pipe(channel);
  else channel.end();
  const closed = new Promise<void>((resolve) => channel.once('close', resolve));
  channel.pipe(output);
  // A channel that closes without an end leaves `output` open.
  channel.once('close', () => output.end());
  // What goes wrong with `output` is its owner's to tell; the command then still has to be ended.
  const taken = finished(output, { readable: false }).catch(() => void channel.resume());
  await Promise.all([closed, taken]);
  return status;
}
