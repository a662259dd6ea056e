import { EnvHttpProxyAgent, interceptors, request, type Dispatcher } from 'undici';
import type { Context } from '../context.ts';
import { ShipError, interrupted } from '../errors.ts';

export type HttpResponse = Dispatcher.ResponseData;
export type Get = (url: string, headers?: Readonly<Record<string, string>>, method?: 'GET' | 'HEAD') => Promise<HttpResponse>;

const maxRedirections = 5;
const defaultIdleTimeoutMs = 30_000;

/**
 * Hands `work` a GET that follows redirections and uses the proxies of the environment (HTTP_PROXY, HTTPS_PROXY,
 * NO_PROXY). What undici throws comes out as it is; once the context is aborted, its reason does.
 */
export async function withHttp<T>(context: Context, idleTimeoutMs: number | undefined, work: (get: Get) => Promise<T>): Promise<T> {
  const timeout = idleTimeoutMs ?? defaultIdleTimeoutMs;
  const agent = new EnvHttpProxyAgent({ ...proxies(context), connectTimeout: timeout, headersTimeout: timeout, bodyTimeout: timeout });
  try {
    const dispatcher = agent.compose(interceptors.redirect({ maxRedirections }));
    return await work((url, headers = {}, method = 'GET') => request(url, { dispatcher, headers, method, signal: context.signal }));
  } catch (error) {
    if (context.signal.aborted) throw context.signal.reason instanceof ShipError ? context.signal.reason : interrupted();
    throw error;
  } finally {
    await agent.destroy();
  }
}

function proxies({ environment }: Context): EnvHttpProxyAgent.Options {
  const value = (name: string): string | undefined => environment[name.toLowerCase()] ?? environment[name];
  const [httpProxy, httpsProxy, noProxy] = [value('HTTP_PROXY'), value('HTTPS_PROXY'), value('NO_PROXY')];
  return { ...(httpProxy ? { httpProxy } : {}), ...(httpsProxy ? { httpsProxy } : {}), ...(noProxy ? { noProxy } : {}) };
}

export function downloadError(url: string, why: string, cause?: unknown): ShipError {
  return new ShipError({
    code: 'E_DOWNLOAD',
    message: `'${withoutPassword(url)}' cannot be downloaded: ${why}`,
    remedy: 'Check the address and the connection, then run the same command again.',
    cause,
  });
}

export function checksumError(url: string, expected: string, actual: string): ShipError {
  return new ShipError({
    code: 'E_CHECKSUM',
    message: `'${withoutPassword(url)}' has the sha256 ${actual}, not ${expected}`,
    remedy: 'Someone changed the file, or the sum is wrong: compare it with what its publisher announces.',
  });
}

export function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//');
}
