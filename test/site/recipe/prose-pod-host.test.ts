import { X509Certificate } from 'node:crypto';
import { chmod, mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { run } from '../../support/run-program.ts';
import { goldenDirectory } from '../golden/golden-sites.ts';

const golden = path.join(goldenDirectory, 'prose-pod');

/** The script as a host has it, with its certificates in a folder of its own. */
async function certificates(...args: readonly string[]) {
  const directory = await temporaryDirectory('certificates');
  const script = path.join(golden, 'usr-local-sbin-prose-certificates');
  const env = { PROSE_TLS: path.join(directory, 'tls'), PROSE_LETSENCRYPT: path.join(directory, 'letsencrypt') };
  return { directory, env, script, outcome: await run('dash', [script, ...args], env) };
}

test('shellcheck has nothing to say about the scripts', async (t) => {
  for (const name of ['usr-local-sbin-prose-certificates', 'etc-letsencrypt-renewal-hooks-deploy-prose']) {
    t.is((await run('shellcheck', ['--shell=sh', path.join(golden, name)])).stdout, '', name);
  }
});

test('placeholders cover the names, are kept, and are readable by root alone', async (t) => {
  const { directory, env, script, outcome } = await certificates('placeholder');
  t.is(outcome.code, 0, outcome.stderr);
  const tls = path.join(directory, 'tls');
  const names: Record<string, string | undefined> = {};
  for (const name of await readdir(tls)) {
    names[name] = new X509Certificate(await readFile(path.join(tls, name, 'fullchain.pem'))).subjectAltName;
    t.is((await stat(path.join(tls, name, 'privkey.pem'))).mode & 0o777, 0o600);
  }
  t.deepEqual(names, { 'example.org': 'DNS:example.org, DNS:groups.example.org', 'prose.example.org': 'DNS:prose.example.org, DNS:admin.prose.example.org' });
  const before = await readFile(path.join(tls, 'example.org/fullchain.pem'), 'utf8');
  t.is((await run('dash', [script, 'placeholder'], env)).code, 0);
  t.is(await readFile(path.join(tls, 'example.org/fullchain.pem'), 'utf8'), before);
});

test('a renewal of somebody else\'s certificate is none of its business; nonsense is a usage error', async (t) => {
  const { directory, outcome } = await certificates('deploy', '/etc/letsencrypt/live/other.example');
  t.is(outcome.code, 0, outcome.stderr);
  t.deepEqual(await readdir(directory), []);
  const wrong = await certificates('renew');
  t.is(wrong.outcome.code, 2);
  t.regex(wrong.outcome.stderr, /^usage: prose-certificates placeholder \| issue \| deploy/);
});

test('nginx takes the virtual hosts, with the placeholders', async (t) => {
  const { directory } = await certificates('placeholder');
  const hosts = (await readFile(path.join(golden, 'etc-nginx-conf.d-prose.conf'), 'utf8')).replaceAll('/etc/prose/tls', path.join(directory, 'tls'));
  const main = `pid ${directory}/pid; error_log stderr; events {} http { access_log off; ${hosts} }`;
  await writeFile(path.join(directory, 'nginx.conf'), main);
  const { code, stderr } = await run('nginx', ['-t', '-c', path.join(directory, 'nginx.conf')]);
  t.is(code, 0, stderr);
  t.notRegex(stderr, /\[(?:warn|emerg)\]/);
});

test('systemd takes the units', async (t) => {
  const directory = await temporaryDirectory('units');
  await mkdir(path.join(directory, 'bin'));
  await writeFile(path.join(directory, 'bin/certificates'), '#!/bin/sh\n');
  await chmod(path.join(directory, 'bin/certificates'), 0o755);
  for (const kind of ['service', 'timer']) {
    const text = await readFile(path.join(golden, `etc-systemd-system-prose-certificates.${kind}`), 'utf8');
    await writeFile(path.join(directory, `prose-certificates.${kind}`), text.replace('/usr/local/sbin/prose-certificates', path.join(directory, 'bin/certificates')));
  }
  const { code, stderr } = await run('systemd-analyze', ['verify', '--man=no', path.join(directory, 'prose-certificates.timer')]);
  t.is(code, 0, stderr);
  t.notRegex(stderr, /prose-certificates/);
});

test('host-meta names the WebSocket in both forms', async (t) => {
  const json = JSON.parse(await readFile(path.join(golden, 'var-www-prose-.well-known-host-meta.json'), 'utf8')) as { links: { href: string }[] };
  t.is(json.links[0]?.href, 'wss://prose.example.org/websocket/');
  t.regex(await readFile(path.join(golden, 'var-www-prose-.well-known-host-meta'), 'utf8'), /href='wss:\/\/prose\.example\.org\/websocket\/'/);
});
