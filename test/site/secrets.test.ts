import path from 'node:path';
import { inspect } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { createContext, type Context } from '../../src/context.ts';
import { ConfigurationError } from '../../src/errors.ts';
import type { ShipEvent } from '../../src/events.ts';
import { loadDeployment } from '../../src/site/load.ts';
import { buildSecrets, resolveSecrets } from '../../src/site/secrets.ts';
import { Secret } from '../../src/secret.ts';
import { problemsOf, temporarySite, staticWebSite } from './temporary-site.ts';

const site = `${staticWebSite}secrets:
`;

async function load(t: ExecutionContext, secrets: string, context: Context, files: Record<string, string> = {}) {
  const directory = await temporarySite(t, { 'prose-ship.yaml': site + secrets, ...files });
  return loadDeployment(context, path.join(directory, 'prose-ship.yaml'));
}

function revealed(value: unknown): string {
  return value instanceof Secret ? value.reveal() : '';
}

test('takes secrets from the environment, a file and a command, without the final newline', async (t) => {
  const context = createContext({ environment: { ...process.env, TOKEN: 'from-environment' } });
  const first = await resolveSecrets(context, await load(t, '  npm_token: {env: TOKEN}\n  basic_auth: {file: secrets/password}\n', context, { 'secrets/password': 'from-file\n\n' }));
  t.is(revealed(first.variables['npm_token']), 'from-environment');
  t.is(revealed(first.variables['basic_auth']), 'from-file\n');
  t.is(revealed(first.recipe.components[0]?.secrets['npm_token']), 'from-environment');
  const second = await resolveSecrets(context, await load(t, '  npm_token: {command: [cat, secret.txt]}\n', context, { 'secret.txt': 'from-command\r\n' }));
  t.is(revealed(second.variables['npm_token']), 'from-command');
  t.is(context.secrets.redact('from-environment, from-file, from-command'), '[secret], [secret], [secret]');
});

test('loading runs no command; only what is asked for is fetched', async (t) => {
  const context = createContext({ environment: { ...process.env, TOKEN: 'token-token' } });
  const deployment = await load(t, '  npm_token: {env: TOKEN}\n  basic_auth: {command: ["false"]}\n', context);
  t.deepEqual(buildSecrets(deployment), ['npm_token']);
  const resolved = await resolveSecrets(context, deployment, buildSecrets(deployment));
  t.is(revealed(resolved.variables['npm_token']), 'token-token');
  t.throws(() => revealed(resolved.variables['basic_auth']), { code: 'E_SECRET_NOT_RESOLVED' });
});

test('tells every secret that cannot be had, with its place, and shows nothing of it', async (t) => {
  const events: ShipEvent[] = [];
  const context = createContext({ emit: (event) => events.push(event) });
  const deployment = await load(t, '  npm_token: {command: [sh, -c, "echo leaked-half; echo not signed in >&2; exit 3"]}\n  basic_auth: {file: nowhere}\n', context);
  const error = await t.throwsAsync<ConfigurationError>(resolveSecrets(context, deployment), { instanceOf: ConfigurationError });
  const [command, file] = error.problems;
  t.like(command, { code: 'E_SECRET_UNAVAILABLE', message: "The secret 'npm_token' comes from the command `sh`, which failed with exit status 3", output: 'not signed in' });
  t.is(command?.place?.line, 8);
  t.regex(file?.message ?? '', /'basic_auth' comes from the file '.*nowhere', which does not exist/);
  t.is(file?.place?.line, 9);
  t.false(JSON.stringify(error).includes('leaked'));
});

for (const [title, { secret, environment, message, remedy }] of Object.entries({
  'an unset environment variable': { secret: '{env: TOKEN}', environment: {}, message: /environment variable TOKEN, which is not set/, remedy: /export TOKEN/ },
  'an empty value': { secret: '{env: TOKEN}', environment: { TOKEN: '' }, message: /is empty/, remedy: /Give it a value/ },
  'a command that is not installed': { secret: '{command: [no-such-password-manager]}', environment: {}, message: /`no-such-password-manager`, which is not installed/, remedy: /by hand/ },
})) {
  test(`refuses ${title}`, async (t) => {
    const context = createContext({ environment });
    const deployment = await load(t, `  npm_token: ${secret}\n`, context);
    const error = await t.throwsAsync<ConfigurationError>(resolveSecrets(context, deployment), { code: 'E_SECRET_UNAVAILABLE' });
    t.regex(error.message, message);
    t.regex(error.remedy ?? '', remedy);
  });
}

for (const [title, { text, code, at }] of Object.entries({
  'under secrets': { text: '  npm_token: hunter2-hunter2\n', code: 'E_SECRET_IN_PLAIN_TEXT', at: '8:14' },
  'as a number': { text: '  npm_token: 20202020\n', code: 'E_SECRET_IN_PLAIN_TEXT', at: '8:14' },
  'under a wrong key': { text: '  npm_token: {value: hunter2-hunter2}\n', code: 'E_UNKNOWN_KEY', at: '8:15' },
  'as the name of an environment variable': { text: '  npm_token: {env: hunter2-hunter2}\n', code: 'E_BAD_NAME', at: '8:20' },
  'as a list': { text: '  npm_token: [hunter2-hunter2]\n', code: 'E_WRONG_TYPE', at: '8:14' },
})) {
  test(`refuses a secret in plain text ${title}, and does not repeat it`, async (t) => {
    const problems = await problemsOf(t, { 'prose-ship.yaml': site + text });
    const found = problems.find((problem) => problem.code === code);
    t.is(found?.at, `prose-ship.yaml:${at}`, JSON.stringify(problems));
    t.not(found?.remedy, '');
    t.false(/hunter2|2020/.test(JSON.stringify(problems)));
  });
}

test('refuses a secret among the variables', async (t) => {
  const problems = await problemsOf(t, { 'prose-ship.yaml': site.replace('{title: Hello}', '{title: Hello, npm_token: hunter2}').replace('secrets:\n', '') });
  t.like(problems[0], { code: 'E_SECRET_IN_PLAIN_TEXT', at: 'prose-ship.yaml:6:38' });
  t.regex(problems[0]?.remedy ?? '', /npm_token: \{env: NPM_TOKEN\}/);
  t.false(JSON.stringify(problems).includes('hunter2'));
});

test('a resolved deployment prints no secret', async (t) => {
  const context = createContext({ environment: { TOKEN: 'hunter2-hunter2' } });
  const resolved = await resolveSecrets(context, await load(t, '  npm_token: {env: TOKEN}\n', context));
  t.false(`${JSON.stringify(resolved)}${inspect(resolved, { depth: 9 })}`.includes('hunter2'));
});
