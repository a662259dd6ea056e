import { wrongUsage } from '../../../errors.ts';
import { connectOption, hostArgument, onHosts } from './host-verb.ts';
import { words, type Session, type Verb, type VerbOptions } from '../../verb.ts';

const actions = ['add', 'passwd', 'list'] as const;

export const account: Verb = {
  name: 'account',
  summary: 'add accounts, change their passwords, or list them',
  arguments: [
    { name: '<action>', description: 'add, passwd or list' },
    hostArgument,
    { name: '[jid]', description: 'name@domain; for list a domain (default: the one of the release)' },
  ],
  options: [
    { flags: '--password-stdin', description: 'read the password from standard input' },
    { flags: '--generate', description: 'make a password and print it' },
    connectOption,
  ],
  example: 'account add pi@raspberrypi.local alice@chat.example.org --generate',
  run: async (session, args, options) => {
    const action = actions.find((one) => one === args[0]);
    if (!action) throw wrongUsage(`'${String(args[0])}' is not something to do with accounts`, `It is one of ${actions.join(', ')}.`, 'E_BAD_ACTION');
    const [named] = words(args, 2);
    if (action !== 'list' && named === undefined) {
      throw wrongUsage('No account is named', `Name it: \`prose-ship account ${action} ${words(args, 1).join('')} alice@chat.example.org\`.`, 'E_NO_JID');
    }
    const { runAccountCommand } = await import('../../../ship/account.ts');
    const { currentManifest } = await import('../../../ship/current-release.ts');
    const password = action === 'list' ? undefined : await newPassword(session, options);
    const [result] = await onHosts(session, words(args, 1), options, async (device) => {
      const manifest = await currentManifest(device);
      const jid = named ?? manifest.domain;
      const output = await runAccountCommand(device, manifest.accounts, manifest.name, {
        action,
        jid,
        ...(password ? { password: session.context.secrets.add(password.value) } : {}),
      });
      return { jid, output };
    });
    if (action === 'list') {
      const accounts = accountsIn(result?.output ?? '');
      session.print(accounts.join('\n'));
      return { action, accounts };
    }
    // The one place where a password is shown: it was made a moment ago, and asked for.
    if (!password?.isGenerated) return { action, jid: result?.jid };
    session.print(password.value);
    return { action, jid: result?.jid, password: password.value };
  },
};

/** The addresses in what a server's tool prints, one a line; prompts and remarks stand beside them. */
export function accountsIn(output: string): string[] {
  return output.split(/\r?\n/).map((line) => line.trim()).filter((line) => /^[^\s@:]+@[^\s@]+$/.test(line)).sort();
}

interface NewPassword {
  readonly value: string;
  readonly isGenerated: boolean;
}

async function newPassword(session: Session, options: VerbOptions): Promise<NewPassword> {
  if (options['generate'] === true) {
    const { randomBytes } = await import('node:crypto');
    return { value: randomBytes(15).toString('base64url'), isGenerated: true };
  }
  const value = await readPassword(session, options['passwordStdin'] === true);
  if (/^[^\r\n]+$/.test(value)) return { value, isGenerated: false };
  throw wrongUsage(value === '' ? 'The password is empty' : 'The password has several lines', 'Give one line, or let one be made with --generate.', 'E_BAD_PASSWORD');
}

async function readPassword(session: Session, fromStdin: boolean): Promise<string> {
  if (!fromStdin && process.stdin.isTTY) {
    const { ask } = await import('../../terminal/ask.ts');
    return ask({ text: 'Password: ', signal: session.context.signal, hidden: true });
  }
  if (!fromStdin) {
    throw wrongUsage('There is no terminal to ask for a password', 'Pipe it in with --password-stdin, or let one be made with --generate.', 'E_NO_PASSWORD');
  }
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8').replace(/\r?\n$/, '');
}
