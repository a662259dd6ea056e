import { ExitStatus, ShipError } from '../../errors.ts';
import { connectOption, hostArgument, onHosts } from '../host-verb.ts';
import { words, type Session, type Verb } from '../verb.ts';

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
    if (!action) {
      throw new ShipError({
        code: 'E_BAD_ACTION',
        message: `'${String(args[0])}' is not something to do with accounts`,
        remedy: `It is one of ${actions.join(', ')}.`,
        exitStatus: ExitStatus.usage,
      });
    }
    const { runAccountCommand } = await import('../../ship/account.ts');
    const { currentManifest } = await import('../../ship/current-release.ts');
    const { randomBytes } = await import('node:crypto');
    const generated = options['generate'] === true ? randomBytes(15).toString('base64url') : undefined;
    const password = action === 'list' ? undefined : (generated ?? (await readPassword(session, options['passwordStdin'] === true)));
    const [result] = await onHosts(session, words(args, 1), options, async (device) => {
      const manifest = await currentManifest(device);
      const jid = words(args, 2)[0] ?? manifest.domain;
      const output = await runAccountCommand(device, manifest.accounts, manifest.name, {
        action,
        jid,
        ...(password === undefined ? {} : { password: session.context.secrets.add(password) }),
      });
      return { jid, output };
    });
    if (action === 'list') session.print(result?.output ?? '');
    // The one place where a password is shown: it was made a moment ago, and asked for.
    else if (generated) session.print(generated);
    return { action, jid: result?.jid };
  },
};

async function readPassword(session: Session, fromStdin: boolean): Promise<string> {
  if (!fromStdin && process.stdin.isTTY) {
    const { askPassword } = await import('../ask-password.ts');
    return askPassword('Password: ', session.context.signal);
  }
  if (!fromStdin) {
    throw new ShipError({
      code: 'E_NO_PASSWORD',
      message: 'There is no terminal to ask for a password',
      remedy: 'Pipe it in with --password-stdin, or let one be made with --generate.',
      exitStatus: ExitStatus.usage,
    });
  }
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8').replace(/\r?\n$/, '');
}
