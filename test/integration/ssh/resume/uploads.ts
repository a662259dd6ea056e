import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ExecutionContext } from 'ava';
import { ShipError } from '../../../../src/errors.ts';
import { type Connection, connect } from '../../../../src/host/ssh/connection.ts';
import type { Link } from '../../../support/hosts/link.ts';
import { sampleContent } from '../../../support/disks/sample-content.ts';
import { Sshd } from '../../../support/ssh/sshd.ts';

export const mebibyte = 1024 * 1024;

/** Uploads to a real sshd of their own, over a link that can be cut. Needs root. */
export class Uploads {
  readonly sshd: Sshd;
  #folders = 0;

  private constructor(sshd: Sshd) {
    this.sshd = sshd;
  }

  static async start(): Promise<Uploads> {
    return new Uploads(await Sshd.start());
  }

  async stop(): Promise<void> {
    await this.sshd.stop();
  }

  /** A file that is not there, in a folder of its own. */
  async target(): Promise<string> {
    const directory = path.join(this.sshd.directory, `target-${this.#folders++}`);
    await mkdir(directory);
    return path.join(directory, 'image.tar');
  }

  async clientOf(link?: Link) {
    return this.sshd.client(link ? { config: [`Port ${link.port}`, `HostKeyAlias [127.0.0.1]:${this.sshd.port}`] } : {});
  }

  async withConnection<T>(link: Link | undefined, work: (connection: Connection) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { context, host } = await this.clientOf(link);
    const connection = await connect({ ...context, ...(signal ? { signal } : {}) }, host);
    try {
      return await work(connection);
    } finally {
      await connection.close();
    }
  }

  /** Sends until so many bytes of this file have crossed the link in this run, then cuts it. */
  async cutAfter(t: ExecutionContext, link: Link, file: string, sizeBytes: number, cutBytes: number): Promise<void> {
    const before = link.forwardedBytes;
    const cut = this.withConnection(link, async ({ files }) => {
      const upload = await files.resume(sampleContent(sizeBytes), file);
      await upload.send({ onProgress: () => link.forwardedBytes - before >= cutBytes && link.cut() });
    });
    await failed(t, cut, 'E_CONNECTION_LOST');
  }
}

export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return `sha256:${hash.digest('hex')}`;
}

export async function failed(t: ExecutionContext, promise: Promise<unknown>, code: ShipError['code']): Promise<ShipError> {
  const error = await t.throwsAsync(promise, { instanceOf: ShipError });
  t.is(error.code, code);
  return error;
}
