import { mkdtemp, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createContext } from '../../../src/context.ts';
import { run, type RunResult } from '../../../src/host/process.ts';
import { node } from '../command-line.ts';
import type { WebSession } from './web-client.ts';

export interface Login {
  readonly jid: string;
  readonly password: string;
}

export interface XmppRequest {
  /** Default: that of STARTTLS. */
  readonly port?: number;
  /** TLS from the first byte. */
  readonly direct?: boolean;
  readonly people: readonly Login[];
  readonly [more: string]: unknown;
}

const context = createContext();
const everyOutcome = Array.from({ length: 257 }, (_, index) => index - 1);

/**
 * Programs of somebody who uses a server: they find its names in hosts files of their own, ask no DNS server, and trust one
 * authority for XMPP, HTTPS and TURN. They run on this machine in a mount namespace each. Needs root, Linux, util-linux.
 */
export class Laptop {
  readonly #hostsFile: string;
  readonly #resolvFile: string;
  readonly #address: string;
  /** Undefined: nobody's certificates are trusted but those of the system. */
  readonly authorityFile: string | undefined;

  private constructor(directory: string, address: string, authorityFile: string | undefined) {
    this.#hostsFile = path.join(directory, 'hosts');
    this.#resolvFile = path.join(directory, 'resolv.conf');
    this.#address = address;
    this.authorityFile = authorityFile;
  }

  static async create(directory: string, options: { address: string; names: readonly string[]; authorityFile?: string }): Promise<Laptop> {
    const laptop = new Laptop(await mkdtemp(path.join(directory, 'laptop-')), options.address, options.authorityFile);
    await writeFile(laptop.#hostsFile, `127.0.0.1 localhost\n${options.names.map((name) => `${options.address} ${name}\n`).join('')}`);
    await writeFile(laptop.#resolvFile, 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
    return laptop;
  }

  /** Never throws for the program's status. */
  run(command: readonly string[], input = ''): Promise<RunResult> {
    const trust = this.authorityFile === undefined ? [] : ['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS', 'CURL_CA_BUNDLE'].map((name) => `${name}=${this.authorityFile ?? ''}`);
    const script = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec env "$@"';
    const args = ['--mount', 'sh', '-c', script, 'sh', this.#hostsFile, this.#resolvFile, ...trust, ...command];
    return run(context, { program: 'unshare', args }, { input, timeoutMs: 120_000, expect: everyOutcome });
  }

  /** A verb of xmpp-client.py, by Debian's Python, for which slixmpp is installed. */
  async xmpp(verb: string, { port = 5222, ...request }: XmppRequest): Promise<Record<string, unknown>> {
    const client = path.join(import.meta.dirname, 'xmpp-client.py');
    const { exitCode, stdout, stderr } = await this.run(['/usr/bin/python3', client, verb], JSON.stringify({ server: [this.#address, port], ...request }));
    if (exitCode !== 0) throw new Error(`${verb}: ${stderr}`);
    return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
  }

  /** A session by BOSH and one by WebSocket, both found by host-meta. */
  async web(domain: string, login: Login): Promise<{ bosh: WebSession; websocket: WebSession }> {
    const { exitCode, stdout, stderr } = await this.run([node, path.join(import.meta.dirname, 'web-client.ts')], JSON.stringify({ domain, ...login }));
    if (exitCode !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as { bosh: WebSession; websocket: WebSession };
  }
}
