import { execFile } from 'node:child_process';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { createContext } from '../../../src/context.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { renderDeployment } from '../../../src/site/render.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { goodSite, temporarySite } from '../temporary-site.ts';

const execute = promisify(execFile);
const token = 'a1b2-c3d4+e5/f6=';

/** A provider on loopback that gives one answer, and what it was asked; each question looks for the token in the arguments and environments of this machine's processes. */
async function provider(t: ExecutionContext, answer: string) {
  const directory = await temporaryDirectory('ddns');
  const [key, certificate] = [path.join(directory, 'key'), path.join(directory, 'certificate')];
  await execute('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate]);
  const asked: string[] = [];
  const seen: string[] = [];
  const server = createServer({ key: await readFile(key), cert: await readFile(certificate) }, (request, response) => {
    void told().then((found) => {
      asked.push(`${request.url} ${request.headers.authorization ?? '-'}`);
      seen.push(...found);
      response.end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  t.teardown(() => server.close());
  return { url: `https://localhost:${(server.address() as AddressInfo).port}`, certificate, asked, seen, directory };
}

/** The programs that show the token to everybody. */
async function told(): Promise<string[]> {
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const files = processes.flatMap((name) => [`/proc/${name}/cmdline`, `/proc/${name}/environ`]);
  const texts = await Promise.all(files.map(async (file) => [file, await readFile(file, 'utf8').catch(() => '')] as const));
  return texts.filter(([, text]) => text.includes(token)).map(([file, text]) => `${file}: ${text}`);
}

/** The script of a site with these values, and a run of it against a provider. */
async function update(t: ExecutionContext, variables: readonly string[], answer: string, { trusted = true } = {}) {
  const { url, certificate, asked, seen, directory } = await provider(t, answer);
  const values = variables.map((line) => `  ${line.replace('PROVIDER', url)}\n`).join('');
  const site = await temporarySite(t, { 'prose-ship.yaml': `${goodSite.replace('example.org', 'family.duckdns.org')}profile: ddns\nvariables:\n  admins: [anna@example.org]\n${values}secrets: {ddns_token: {env: TOKEN}}\n` });
  const deployment = await loadDeployment(createContext(), path.join(site, 'prose-ship.yaml'));
  const references = new Map(deployment.recipe.components.map(({ name, repository, version }) => [name, `${repository}:${version}-0123456789ab`]));
  const { hostFiles } = await renderDeployment(deployment, references);
  const script = path.join(directory, 'script');
  await writeFile(script, hostFiles.find((file) => file.path === '/usr/local/sbin/demo-ddns')?.content ?? '');
  const tokenFile = path.join(directory, 'token');
  await writeFile(tokenFile, `${token}\n`);
  const env = { PATH: process.env['PATH'] ?? '', PROSE_DDNS_URL: url, PROSE_DDNS_TOKEN: tokenFile, ...(trusted ? { CURL_CA_BUNDLE: certificate } : {}) };
  const outcome = await execute('dash', [script], { env }).then(
    ({ stderr }) => ({ code: 0, stderr }),
    (error: unknown) => error as { code: number; stderr: string },
  );
  return { ...outcome, asked, seen, shellcheck: (await execute('shellcheck', ['--shell=sh', script]).catch((error: unknown) => error as { stdout: string })).stdout };
}

const encoded = token.replace('+', '%2B');
const basic = `Basic ${Buffer.from(`anna:${token}`).toString('base64')}`;
const good: readonly (readonly [string, readonly string[], string, string])[] = [
  ['DuckDNS', ['ddns_provider: duckdns'], 'OK', `/update?domains=family&token=${encoded}&ip= -`],
  ['No-IP', ['ddns_provider: noip', 'ddns_user: anna'], 'nochg 203.0.113.7', `/nic/update?hostname=family.duckdns.org ${basic}`],
  ['Dynu', ['ddns_provider: dynu', 'ddns_user: anna'], 'good 203.0.113.7', `/nic/update?hostname=family.duckdns.org ${basic}`],
  ['FreeDNS', ['ddns_provider: freedns'], 'Updated family.duckdns.org to 203.0.113.7', `/u/${encoded}/ -`],
  ['another provider', ['ddns_provider: url', "ddns_url: 'PROVIDER/set?name=family&key=TOKEN&x=1'"], 'whatever', `/set?name=family&key=${encoded}&x=1 -`],
];
for (const [name, variables, answer, wanted] of good) {
  test(`${name} is told, with the token where nobody sees it`, async (t) => {
    const { code, stderr, asked, seen, shellcheck } = await update(t, variables, answer);
    t.is(code, 0, stderr);
    t.deepEqual(asked, [wanted]);
    t.deepEqual(seen, []);
    t.is(shellcheck, '');
  });
}

test('a refusal is a failure, and tells no more than its first word', async (t) => {
  const { code, stderr } = await update(t, ['ddns_provider: noip', 'ddns_user: anna'], `badauth ${token}`);
  t.is(code, 1);
  t.is(stderr, 'the provider refused: badauth\n');
});

test('a provider whose certificate nobody trusts gets no token', async (t) => {
  const { code, stderr, asked } = await update(t, ['ddns_provider: duckdns'], 'OK', { trusted: false });
  t.not(code, 0);
  t.regex(stderr, /certificate/);
  t.false(stderr.includes(token));
  t.deepEqual(asked, []);
});
