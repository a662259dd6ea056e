import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../context.ts';
import { ShipError, interrupted } from '../errors.ts';
import { checksumError, downloadError, withHttp, withoutPassword, type Get, type HttpResponse } from './http-client.ts';

export interface ResumeDownloadOptions {
  /** What the publisher announces, where known; checked before and after. */
  readonly sizeBytes?: number;
  readonly sha256?: string;
  /** Told before anything is written, how many bytes will come; absent where the server does not say. */
  readonly onStart?: (remainingBytes: number | undefined) => Promise<void>;
  readonly onProgress?: (doneBytes: number, totalBytes?: number) => void;
  readonly onRetry?: (why: string) => void;
  readonly idleTimeoutMs?: number;
  /** Before the first new attempt; doubles with each one. */
  readonly retryDelayMs?: number;
}

export interface Downloaded {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Attempts in a row that bring the file no further. */
const maxFruitlessAttempts = 5;
/** Less than this is no progress: it bounds the attempts by the file's size. */
const progressBytes = 1024 * 1024;
const defaultRetryDelayMs = 500;

/**
 * Downloads `url` to `file`, going on where an earlier attempt ended, of this process or of one before: `file` stays after
 * a cut, and `file`.json beside it tells which content it is the beginning of (ETag or Last-Modified, given back as
 * If-Range; RFC 9110, 13.1.5 and 14). A server without ranges, or with another content, starts from the beginning.
 * @throws ShipError E_DOWNLOAD (after the last attempt; `file` stays), E_DOWNLOAD_SIZE, E_CHECKSUM (both sums; `file` is
 *   removed), E_INTERRUPTED. Failures of writing come out as they are.
 */
export async function resumeDownload(context: Context, url: string, file: string, options: ResumeDownloadOptions = {}): Promise<Downloaded> {
  const begunBefore = await readBeginning(file, url);
  const result = await downloadInAttempts(context, url, file, options);
  if (options.sha256 === undefined || result.sha256 === options.sha256) return result;
  await discard(file);
  if (begunBefore) {
    // A beginning that an older run left may have been damaged since, by a power cut for one: the whole decides.
    options.onRetry?.('what was there before does not fit what came now');
    return resumeDownload(context, url, file, options);
  }
  throw checksumError(url, options.sha256, result.sha256);
}

async function downloadInAttempts(context: Context, url: string, file: string, options: ResumeDownloadOptions): Promise<Downloaded> {
  const server = { hasAnswered: false };
  let furthestBytes = 0;
  for (let fruitless = 1; ; fruitless += 1) {
    try {
      return await withHttp(context, options.idleTimeoutMs, (get) => attempt(get, url, file, options, server));
    } catch (error) {
      if (context.signal.aborted || !(error instanceof Cut)) throw error;
      // Who has never answered will not do so a second later.
      if (!server.hasAnswered) throw downloadError(url, error.message, error.cause);
      const doneBytes = await sizeOf(file);
      if (doneBytes >= furthestBytes + progressBytes) {
        fruitless = 1;
        furthestBytes = doneBytes;
      }
      if (fruitless >= maxFruitlessAttempts) throw downloadError(url, `${error.message}, ${maxFruitlessAttempts} times in a row`, error.cause);
      options.onRetry?.(error.message);
      await sleep((options.retryDelayMs ?? defaultRetryDelayMs) * 2 ** (fruitless - 1), undefined, { signal: context.signal }).catch(() => {
        throw context.signal.reason instanceof ShipError ? context.signal.reason : interrupted();
      });
    }
  }
}

/** Worth another attempt. */
class Cut extends Error {}

async function attempt(get: Get, url: string, file: string, options: ResumeDownloadOptions, server: { hasAnswered: boolean }): Promise<Downloaded> {
  const beginning = await readBeginning(file, url);
  const range = beginning ? { range: `bytes=${beginning.doneBytes}-`, 'if-range': beginning.validator } : {};
  const response = await get(url, { 'accept-encoding': 'identity', ...range }).catch(cut);
  server.hasAnswered = true;
  const { statusCode } = response;
  const hash = createHash('sha256');
  if (statusCode === 200) {
    const totalBytes = numberOf(response.headers['content-length']);
    await requireSize(url, file, response, totalBytes, options.sizeBytes);
    await discard(file);
    const validator = validatorOf(response);
    await writeFile(file, '');
    if (validator) await writeFile(stateFile(file), JSON.stringify({ urlSha256: sha256(url), validator } satisfies State));
    return receive(url, response, file, { hash, doneBytes: 0, totalBytes }, options);
  }
  const part = contentRange(response);
  if (beginning && statusCode === 206 && part.start === beginning.doneBytes && fits(response, beginning.validator)) {
    await requireSize(url, file, response, part.totalBytes, options.sizeBytes);
    await hashBeginning(file, hash);
    return receive(url, response, file, { hash, doneBytes: beginning.doneBytes, totalBytes: part.totalBytes }, options);
  }
  await response.body.dump().catch(() => {});
  if (beginning && statusCode === 416 && part.totalBytes === beginning.doneBytes) {
    await hashBeginning(file, hash);
    return { sizeBytes: beginning.doneBytes, sha256: hash.digest('hex') };
  }
  if (beginning && (statusCode === 206 || statusCode === 416)) {
    await discard(file);
    throw new Cut('the file has changed on the server');
  }
  if (statusCode >= 500 || statusCode === 408 || statusCode === 429) throw new Cut(`the server answered ${statusCode}`);
  throw downloadError(url, `the server answered ${statusCode}`);
}

interface Position {
  readonly hash: Hash;
  readonly doneBytes: number;
  readonly totalBytes: number | undefined;
}

/** Writes and hashes chunk by chunk, so that the file holds what was hashed whenever the connection ends. */
async function receive(url: string, response: HttpResponse, file: string, { hash, doneBytes: begunBytes, totalBytes }: Position, options: ResumeDownloadOptions): Promise<Downloaded> {
  let doneBytes = begunBytes;
  const expectedBytes = totalBytes ?? options.sizeBytes;
  await options.onStart?.(expectedBytes === undefined ? undefined : expectedBytes - begunBytes).catch((error: unknown) => {
    response.body.on('error', () => {}).destroy();
    throw error;
  });
  const handle = await open(file, 'r+');
  try {
    const chunks = (response.body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
    for (let next = await chunks.next().catch(cut); !next.done; next = await chunks.next().catch(cut)) {
      const chunk = next.value;
      if (expectedBytes !== undefined && doneBytes + chunk.length > expectedBytes) {
        response.body.on('error', () => {}).destroy();
        throw await sizeError(url, file, `more than ${expectedBytes}`, expectedBytes);
      }
      for (let at = 0; at < chunk.length; ) at += (await handle.write(chunk, at, chunk.length - at, doneBytes + at)).bytesWritten;
      hash.update(chunk);
      doneBytes += chunk.length;
      options.onProgress?.(doneBytes, expectedBytes);
    }
  } finally {
    await handle.close();
  }
  if (expectedBytes !== undefined && doneBytes < expectedBytes) throw new Cut(`the connection ended after ${doneBytes} of ${expectedBytes} bytes`);
  return { sizeBytes: doneBytes, sha256: hash.digest('hex') };
}

function cut(error: unknown): never {
  throw new Cut(error instanceof Error ? error.message : String(error), { cause: error });
}

async function requireSize(url: string, file: string, response: HttpResponse, totalBytes: number | undefined, expectedBytes: number | undefined): Promise<void> {
  if (totalBytes === undefined || expectedBytes === undefined || totalBytes === expectedBytes) return;
  response.body.on('error', () => {}).destroy();
  throw await sizeError(url, file, String(totalBytes), expectedBytes);
}

async function sizeError(url: string, file: string, actual: string, expectedBytes: number): Promise<ShipError> {
  await discard(file);
  return new ShipError({
    code: 'E_DOWNLOAD_SIZE',
    message: `'${withoutPassword(url)}' has ${actual} bytes; ${expectedBytes} were announced`,
    remedy: 'The file was replaced, or something on the way answers in its place: try again later, or look at the address in a browser.',
  });
}

interface State {
  /** A sum, because an address may hold a password. */
  readonly urlSha256: string;
  readonly validator: string;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function stateFile(file: string): string {
  return `${file}.json`;
}

/** Undefined where nothing is, or nothing that can be gone on with. */
async function readBeginning(file: string, url: string): Promise<{ validator: string; doneBytes: number } | undefined> {
  const doneBytes = await sizeOf(file);
  if (doneBytes === 0) return undefined;
  try {
    const state = JSON.parse(await readFile(stateFile(file), 'utf8')) as Partial<State>;
    return state.urlSha256 === sha256(url) && typeof state.validator === 'string' ? { validator: state.validator, doneBytes } : undefined;
  } catch {
    return undefined;
  }
}

/** If-Range takes a strong ETag or a date, nothing else. */
function validatorOf({ headers }: HttpResponse): string | undefined {
  const etag = headers['etag'];
  if (typeof etag === 'string' && etag.startsWith('"')) return etag;
  const lastModified = headers['last-modified'];
  return typeof lastModified === 'string' ? lastModified : undefined;
}

/** Some servers honour Range and overlook If-Range. */
function fits(response: HttpResponse, validator: string): boolean {
  const { etag, 'last-modified': lastModified } = response.headers;
  const current = validator.startsWith('"') ? etag : lastModified;
  return current === undefined || current === validator;
}

function contentRange({ headers }: HttpResponse): { start?: number; totalBytes?: number } {
  const match = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(String(headers['content-range'] ?? ''));
  const [start, totalBytes] = [numberOf(match?.[1]), numberOf(match?.[2])];
  return { ...(start === undefined ? {} : { start }), ...(totalBytes === undefined ? {} : { totalBytes }) };
}

function numberOf(value: string | string[] | undefined): number | undefined {
  return typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : undefined;
}

async function hashBeginning(file: string, hash: Hash): Promise<void> {
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) hash.update(chunk);
}

async function discard(file: string): Promise<void> {
  await rm(file, { force: true });
  await rm(stateFile(file), { force: true });
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(({ size }) => size, () => 0);
}
