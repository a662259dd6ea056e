import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ConfigurationError, ExitStatus, ShipError } from '../../errors.ts';
import { exists } from '../../host/files.ts';
import type { RecipeProfile } from '../../site/site-template.ts';
import { words, word, type Session, type Verb } from '../verb.ts';

export const init: Verb = {
  name: 'init',
  summary: 'write an annotated prose-ship.yaml to start from',
  arguments: [{ name: '[dir]', description: 'the folder to write it into (default: this one)' }],
  options: [
    { flags: '--name <name>', description: 'name of the site (default: the first part of the domain)' },
    { flags: '--domain <domain>', description: 'the domain of the chat addresses' },
    { flags: '--recipe <name>', description: 'a built-in recipe or the folder of one', default: 'prosody' },
    { flags: '--profile <name>', description: 'one of the recipe\'s profiles, where it has any' },
    { flags: '--host <address>', description: 'a Raspberry Pi: user@address', repeatable: true },
  ],
  example: 'init chat --domain chat.example.org --host pi@raspberrypi.local',
  run: async (session, args, options) => {
    const { siteTemplate } = await import('../../site/site-template.ts');
    const { recipeProfiles, recipeVariables } = await import('../../site/recipe/recipe-variables.ts');
    const directory = path.resolve(words(args, 0)[0] ?? '.');
    const file = path.join(directory, 'prose-ship.yaml');
    if (!session.dryRun) await refuseExisting(file);
    const recipe = word(options['recipe']) ?? 'prosody';
    const placeless = (error: unknown): never => {
      throw withoutPlace(error);
    };
    const profiles = await recipeProfiles(recipe, directory).catch(placeless);
    const isSettled = profiles.length === 0 || profiles.some(({ isDefault }) => isDefault);
    const profile = word(options['profile']) ?? (isSettled ? undefined : await askProfile(session, profiles));
    const variables = await recipeVariables(recipe, directory, profile).catch(placeless);
    const domain = word(options['domain']) ?? (await askDomain(session));
    await checkDomain(domain);
    const name = word(options['name']) ?? (domain.split('.')[0] || 'chat');
    const addresses = words([options['host'] as readonly string[] | undefined], 0);
    const hosts = Object.fromEntries(addresses.map((address, at) => [`pi${at === 0 ? '' : at + 1}`, address]));
    const text = siteTemplate({ name, domain, recipe, hosts, variables, profiles, ...(profile === undefined ? {} : { profile }) });
    if (session.dryRun) {
      session.print(text);
      return { file };
    }
    const open = variables.filter(({ type, required }) => required && type !== 'secret').map((variable) => variable.name);
    await writeSite(session, file, text, { isComplete: open.length === 0 });
    if (open.length > 0) {
      session.context.emit({ type: 'log', level: 'warning', message: `Fill in ${open.join(', ')} under \`variables\`, then run \`prose-ship check\`.` });
    }
    session.print(file);
    return { file, toFillIn: open };
  },
};

/** Writes it, and takes it away again when it is not one that loads. */
async function writeSite({ context }: Session, file: string, text: string, { isComplete }: { isComplete: boolean }): Promise<void> {
  const { loadDeployment } = await import('../../site/load.ts');
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, text, { flag: 'wx' }).catch((cause: unknown) => {
    throw (cause as NodeJS.ErrnoException).code === 'EEXIST' ? siteExists(file) : cause;
  });
  if (!isComplete) return;
  try {
    await loadDeployment(context, file);
  } catch (error) {
    await rm(file, { force: true });
    throw withoutPlace(error);
  }
}

/** The same problems; the lines that they point to are not there. */
function withoutPlace(error: unknown): unknown {
  if (!(error instanceof ConfigurationError)) return error;
  return new ConfigurationError(
    error.problems.map(({ code, message, remedy, exitStatus }) => new ShipError({ code, message, exitStatus, ...(remedy ? { remedy } : {}) })),
  );
}

async function refuseExisting(file: string): Promise<void> {
  if (await exists(file)) throw siteExists(file);
}

function siteExists(file: string): ShipError {
  return new ShipError({
    code: 'E_SITE_EXISTS',
    message: 'There is a site file already',
    place: { file },
    remedy: 'Edit it, or name another folder.',
    exitStatus: ExitStatus.usage,
  });
}

async function checkDomain(domain: string): Promise<void> {
  const { judgeDomain } = await import('../../site/schema/words.ts');
  const refusal = judgeDomain(domain);
  if (!refusal) return;
  const { code, message, remedy } = refusal;
  throw new ShipError({ code, message: `'${domain}' ${message}`, remedy, exitStatus: ExitStatus.usage });
}

/** @throws ShipError E_NO_PROFILE where nobody can be asked */
async function askProfile({ context: { signal } }: Session, profiles: readonly RecipeProfile[]): Promise<string> {
  const choice = profiles.map(({ name, description }) => `  ${name}: ${description}\n`).join('');
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new ShipError({
      code: 'E_NO_PROFILE',
      message: 'The recipe has several profiles, and there is no terminal to ask which',
      remedy: `Give one with --profile: ${profiles.map(({ name }) => name).join(', ')}.`,
      exitStatus: ExitStatus.usage,
    });
  }
  const { ask } = await import('../terminal/ask.ts');
  return (await ask({ text: `The recipe has these profiles:\n${choice}Profile: `, signal })).trim();
}

/** @throws ShipError E_NO_DOMAIN where nobody can be asked: a made-up one would end up in every address */
async function askDomain({ context: { signal } }: Session): Promise<string> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new ShipError({
      code: 'E_NO_DOMAIN',
      message: 'No domain is given, and there is no terminal to ask for it',
      remedy: 'Give it: `prose-ship init --domain chat.example.org`.',
      exitStatus: ExitStatus.usage,
    });
  }
  const { ask } = await import('../terminal/ask.ts');
  return (await ask({ text: 'Domain of the chat addresses (chat.example.org): ', signal })).trim();
}
