import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createContext } from '../../../src/context.ts';
import { run, start, type Command } from '../../../src/host/process.ts';

/** go-sendxmpp (a Debian package): a chat client that knows nothing of prose-ship. */
export interface ChatLogin {
  readonly jid: string;
  readonly password: string;
  /** `ADDRESS:PORT`, in place of what DNS would say. */
  readonly server: string;
  /** The one authority that it trusts; without, it does not ask who signed. */
  readonly authorityFile?: string;
}

/** How long a login and a message may take; the servers of the tests run emulated. */
const patienceMs = 120_000;

/**
 * Two people log in with STARTTLS and SASL, and one writes to the other. Returns what arrived.
 * The demo's certificates are self-signed, so the client is told not to ask who signed them; it does insist on TLS, and
 * with `authorityFile` on that authority. `through` are words before the client's command line: `nsenter`, say, for a network
 * that this machine is not in.
 */
export async function exchangeMessage(from: ChatLogin, to: ChatLogin, text: string, through: readonly string[] = []): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-chat-'));
  const stopping = new AbortController();
  // Its keys and tokens go into a home of its own, passwords into files and not into argv.
  const context = createContext({ environment: { ...process.env, HOME: directory }, signal: stopping.signal });
  try {
    const [sender, receiver] = [await configure(directory, from, through), await configure(directory, to, through)];
    const listening = start(context, { ...receiver, args: [...receiver.args, '--listen'] }, { timeoutMs: patienceMs });
    const arrived = (async () => {
      const lines: string[] = [];
      for await (const line of listening.iterable({ from: 'all' })) {
        if (line.includes(text)) return line;
        lines.push(line);
      }
      throw new Error(`${to.jid} received nothing: ${lines.join('\n')}`);
    })();
    arrived.catch(() => {}); // awaited below
    for (let attempt = 0; ; attempt += 1) {
      const { exitCode, stdout, stderr } = await run(
        context,
        { ...sender, args: [...sender.args, to.jid] },
        { input: `${text}\n`, timeoutMs: patienceMs, expect: [1] },
      );
      if (exitCode !== 0) throw new Error(`${from.jid} could not send: ${stdout}${stderr}`);
      // The receiver may not have logged in yet when the first one passes.
      const line = await Promise.race([arrived, delay(2_000, undefined)]);
      if (line !== undefined) return line;
      if (attempt === 10) throw new Error(`${to.jid} received nothing`);
    }
  } finally {
    stopping.abort();
    await rm(directory, { recursive: true, force: true });
  }
}

/** One message, whether or not somebody is there to take it; never throws for what the server says. */
export async function sendMessage(from: ChatLogin, to: string, text: string): Promise<{ readonly exitCode: number; readonly stderr: string }> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-chat-'));
  try {
    const { program, args } = await configure(directory, from);
    const context = createContext({ environment: { ...process.env, HOME: directory } });
    return await run(context, { program, args: [...args, to] }, { input: `${text}\n`, timeoutMs: patienceMs, expect: [1] });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function configure(directory: string, { jid, password, server, authorityFile }: ChatLogin, through: readonly string[] = []): Promise<Command> {
  const file = path.join(directory, `${jid}.conf`);
  await writeFile(file, `username: ${jid}\npassword: ${password}\njserver: ${server}\n`, { mode: 0o600 });
  const args = ['--suppress-root-warning', ...(authorityFile === undefined ? ['--no-tls-verify'] : []), '--file', file];
  // Go's own two variables: what they name stands in place of what the machine trusts.
  const environment = authorityFile === undefined ? {} : { SSL_CERT_FILE: authorityFile, SSL_CERT_DIR: directory };
  const words: readonly string[] = [...through, 'env', ...Object.entries(environment).map(([name, value]) => `${name}=${value}`), 'go-sendxmpp', ...args];
  const [program = '', ...rest] = words;
  return { program, args: rest };
}
