import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface LoadResult {
  /** Each different answer, in the order in which they were first seen. */
  readonly answers: readonly string[];
  readonly requests: number;
  readonly failures: readonly string[];
}

export interface LoadTarget {
  readonly address: string;
  readonly port: number;
  /** The name that is asked for. */
  readonly host: string;
}

/** Hundreds of requests a second, and yet some of the processor left for the device. */
const pauseMs = 5;

/** Asks over and over, from several clients at once, until it is stopped: short GETs, and POSTs that take their time. */
export function startLoad(target: LoadTarget): { stop(): Promise<LoadResult> } {
  const agent = new http.Agent({ keepAlive: true });
  const answers = new Set<string>();
  const failures: string[] = [];
  let requests = 0;
  let stopped = false;
  const client = async (method: 'GET' | 'POST', path: string) => {
    while (!stopped) {
      requests += 1;
      const { status, text } = await ask(target, path, { method, agent }).catch((error: unknown) => ({ status: 0, text: String(error) }));
      if (status === 200) answers.add(text.trim());
      else failures.push(`${method} ${path}: ${status} ${text.slice(0, 100)}`);
      await delay(pauseMs);
    }
  };
  const clients = [client('GET', '/version'), client('GET', '/version'), client('GET', '/version'), client('POST', '/cgi-bin/slow'), client('POST', '/cgi-bin/slow')];
  return {
    stop: async () => {
      stopped = true;
      await Promise.all(clients);
      agent.destroy();
      return { answers: [...answers], requests, failures };
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: http.IncomingHttpHeaders;
}

/** One request; fails when the connection does, or after ten seconds. */
export async function ask({ address, port, host }: LoadTarget, path: string, { method = 'GET', agent }: { method?: 'GET' | 'POST'; agent?: http.Agent } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: address, port, path, method, headers: { host }, timeout: 10_000, ...(agent ? { agent } : {}) }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }));
    });
    request.on('timeout', () => request.destroy(new Error('no answer within ten seconds')));
    request.on('error', reject);
    request.end(method === 'POST' ? 'x=1' : undefined);
  });
}
