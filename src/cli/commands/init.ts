import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ExitStatus, ShipError } from '../../errors.ts';
import { words, word, type Verb } from '../verb.ts';

export const init: Verb = {
  name: 'init',
  summary: 'write an annotated prose-ship.yaml to start from',
  arguments: [{ name: '[dir]', description: 'the folder to write it into (default: this one)' }],
  options: [
    { flags: '--name <name>', description: 'name of the site (default: the first part of the domain)' },
    { flags: '--domain <domain>', description: 'the domain of the chat addresses' },
    { flags: '--recipe <name>', description: 'a built-in recipe or the folder of one', default: 'prosody' },
    { flags: '--host <address>', description: 'a Raspberry Pi: user@address', repeatable: true },
  ],
  example: 'init chat --domain chat.example.org --host pi@raspberrypi.local',
  run: async (session, args, options) => {
    const { siteTemplate } = await import('../../site/site-template.ts');
    const { loadDeployment } = await import('../../site/load.ts');
    const domain = word(options['domain']) ?? (await ask(session.context.signal, 'Domain of the chat addresses', 'chat.example.org'));
    const name = word(options['name']) ?? (domain.split('.')[0] || 'chat');
    const hosts = Object.fromEntries(words([options['host'] as readonly string[] | undefined], 0).map((address, at) => [`pi${at === 0 ? '' : at + 1}`, address]));
    const file = path.join(path.resolve(words(args, 0)[0] ?? '.'), 'prose-ship.yaml');
    const text = siteTemplate({ name, domain, recipe: word(options['recipe']) ?? 'prosody', hosts });
    if (session.dryRun) {
      session.print(text);
      return { file };
    }
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text, { flag: 'wx' }).catch((cause: unknown) => {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
      throw new ShipError({
        code: 'E_SITE_EXISTS',
        message: `There is a site file already`,
        place: { file },
        remedy: 'Edit it, or name another folder.',
        exitStatus: ExitStatus.usage,
        cause,
      });
    });
    await loadDeployment(session.context, file);
    session.print(file);
    return { file };
  },
};

/** The answer, or the default where nobody can be asked. */
async function ask(signal: AbortSignal, question: string, fallback: string): Promise<string> {
  if (!process.stdin.isTTY) return fallback;
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(`${question} [${fallback}]: `, { signal })).trim() || fallback;
  } finally {
    terminal.close();
  }
}
