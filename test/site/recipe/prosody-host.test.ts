import { X509Certificate } from 'node:crypto';
import { chmod, mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { run } from '../../support/run-program.ts';
import { goldenDirectory, goldenSites } from '../golden/golden-sites.ts';

const golden = path.join(goldenDirectory, 'prosody-public');
const sites = goldenSites.filter((name) => name.startsWith('prosody-'));

/** The files of a fixture site whose names fit. */
async function filesOf(site: string, pattern: RegExp): Promise<string[]> {
  const names = await readdir(path.join(goldenDirectory, site));
  return names.filter((name) => pattern.test(name)).map((name) => path.join(goldenDirectory, site, name));
}

test('shellcheck has nothing to say about the scripts', async (t) => {
  const scripts = (await Promise.all(sites.map((site) => filesOf(site, /^usr-local-sbin-|renewal-hooks/)))).flat();
  t.true(scripts.length >= 5, scripts.join(' '));
  t.is((await run('shellcheck', ['--shell=sh', ...scripts])).stdout, '');
});

test('the placeholder covers what Prosody serves, and its key is for root alone', async (t) => {
  const directory = await temporaryDirectory('prosody-certificates');
  const { code, stderr } = await run('dash', [path.join(golden, 'usr-local-sbin-chat-certificates'), 'placeholder'], { PROSE_TLS: directory });
  t.is(code, 0, stderr);
  const folder = path.join(directory, 'example.org');
  const { subjectAltName } = new X509Certificate(await readFile(path.join(folder, 'fullchain.pem')));
  t.is(subjectAltName, 'DNS:example.org, DNS:groups.example.org, DNS:proxy.example.org, DNS:pubsub.example.org');
  t.is((await stat(path.join(folder, 'privkey.pem'))).mode & 0o777, 0o600);
});

test('a placeholder that a power cut left empty is made anew', async (t) => {
  const directory = await temporaryDirectory('prosody-certificates');
  const placeholder = () => run('dash', [path.join(golden, 'usr-local-sbin-chat-certificates'), 'placeholder'], { PROSE_TLS: directory });
  const key = path.join(directory, 'example.org/privkey.pem');
  await placeholder();
  const first = await readFile(key, 'utf8');
  await placeholder();
  t.is(await readFile(key, 'utf8'), first);
  await writeFile(key, '');
  t.is((await placeholder()).code, 0);
  t.regex(await readFile(key, 'utf8'), /^-----BEGIN PRIVATE KEY-----/);
});

test('nginx takes the virtual hosts', async (t) => {
  for (const site of sites) {
    for (const file of await filesOf(site, /^etc-nginx-/)) {
      const directory = await temporaryDirectory('prosody-nginx');
      const [script = ''] = await filesOf(site, /^usr-local-sbin-\w+-certificates$/);
      t.is((await run('dash', [script, 'placeholder'], { PROSE_TLS: directory })).code, 0);
      const hosts = (await readFile(file, 'utf8')).replaceAll('/etc/prose/tls', directory);
      const main = path.join(directory, 'nginx.conf');
      await writeFile(main, `pid ${directory}/pid; error_log stderr; events {} http { access_log off; ${hosts} }`);
      const { code, stderr } = await run('nginx', ['-t', '-c', main]);
      t.is(code, 0, stderr);
      t.notRegex(stderr, /\[(?:warn|emerg)\]/);
    }
  }
});

test('systemd takes the units', async (t) => {
  for (const site of sites) {
    const directory = await temporaryDirectory('prosody-units');
    const program = path.join(directory, 'program');
    await writeFile(program, '#!/bin/sh\n');
    await chmod(program, 0o755);
    await writeFile(path.join(directory, 'coturn.service'), `[Service]\nType=notify\nExecStart=${program}\n`);
    await mkdir(path.join(directory, 'coturn.service.d'));
    const units: string[] = [];
    for (const file of await filesOf(site, /^etc-systemd-system-/)) {
      const name = path.basename(file).replace('etc-systemd-system-', '').replace('.d-', '.d/');
      const text = (await readFile(file, 'utf8')).replaceAll(/\/usr\/(?:local\/sbin|bin)\/[\w-]+/g, program);
      await writeFile(path.join(directory, name), text);
      units.push(name.includes('/') ? path.dirname(name).replace(/\.d$/, '') : name);
    }
    if (units.length === 0) continue;
    const { code, stderr } = await run('systemd-analyze', ['verify', '--man=no', ...units.map((name) => path.join(directory, name))]);
    t.is(code, 0, stderr);
    t.false(stderr.includes(directory), stderr);
  }
});

test('coturn gets the secret, the certificate and this host\'s addresses in a file of its own', async (t) => {
  const directory = await temporaryDirectory('prosody-turn');
  const env = { PROSE_TURN_RUN: path.join(directory, 'run'), PROSE_TURN_SETTINGS: path.join(golden, 'etc-chat-turn.conf'), PROSE_TURN_SECRET: path.join(directory, 'secret'), PROSE_TLS: path.join(directory, 'tls') };
  await mkdir(env.PROSE_TURN_RUN);
  await writeFile(env.PROSE_TURN_SECRET, 'not-for-everybody');
  t.is((await run('dash', [path.join(golden, 'usr-local-sbin-chat-certificates'), 'placeholder'], { PROSE_TLS: env.PROSE_TLS })).code, 0);
  const { code, stderr } = await run('dash', [path.join(golden, 'usr-local-sbin-chat-turn')], env);
  t.is(code, 0, stderr);
  const text = await readFile(path.join(env.PROSE_TURN_RUN, 'turnserver.conf'), 'utf8');
  t.regex(text, /^use-auth-secret\n[^]*^static-auth-secret=not-for-everybody$/m);
  t.true(text.includes(`cert=${env.PROSE_TURN_RUN}/fullchain.pem\npkey=${env.PROSE_TURN_RUN}/privkey.pem\n`), text);
  for (const name of await readdir(env.PROSE_TURN_RUN)) t.is((await stat(path.join(env.PROSE_TURN_RUN, name))).mode & 0o077, 0, name);
  const own = /^relay-ip=(\d.*)$/m.exec(text)?.[1];
  if (own !== undefined && own !== '203.0.113.7') t.true(text.includes(`external-ip=203.0.113.7/${own}\n`), text);
});

test('no secret stands in a rendered file; Prosody and coturn are told where it is', async (t) => {
  t.regex(await readFile(path.join(golden, 'prosody.cfg.lua'), 'utf8'), /turn_external_secret = FileLine\("\/run\/secrets\/turn_secret"\)/);
  t.regex(await readFile(path.join(golden, 'compose.yaml'), 'utf8'), /source: \/var\/lib\/prose-ship\/secrets\/turn_secret, target: \/run\/secrets\/turn_secret, read_only: true/);
  for (const [site, secret] of [['prosody-public-postgresql', 'database_password'], ['prosody-public-database', 'postgresql_secret']] as const) {
    t.notRegex(await readFile(path.join(goldenDirectory, site, 'prosody.cfg.lua'), 'utf8'), /password ?=/);
    t.true((await readFile(path.join(goldenDirectory, site, 'compose.yaml'), 'utf8')).includes(`PROSE_SHIP_PGPASSWORD_FILE: /run/secrets/${secret}\n`));
  }
});

test('the authority of an intranet signs, keeps what is good, signs anew what is not, and hands it to Prosody', async (t) => {
  const directory = await temporaryDirectory('prosody-authority');
  const at = (...names: string[]) => path.join(directory, ...names);
  await mkdir(at('certs'));
  await mkdir(at('bin'));
  // The engine's part: what runs in the container runs here, with its folder of certificates in another place.
  const docker = 'case $1 in ps) echo server && exit ;; esac\nshift\n[ "$1" != -i ] || shift\nshift\ncount=$#\nfor word; do set -- "$@" "$(printf %s "$word" | sed "s:/var/lib/prosody/certs:$CERTS:")"; done\nshift "$count"\nexec "$@"\n';
  for (const [name, text] of Object.entries({ docker, nginx: 'exit 0\n', authority: `exec dash ${path.join(goldenDirectory, 'prosody-intranet', 'usr-local-sbin-office-authority')} "$@"\n`, prosodyctl: 'echo "$*" >>"$CERTS/../reloads"\n', shown: `exec dash ${path.join(goldenDirectory, 'prosody-intranet', 'usr-local-sbin-office-shown-certificate')} "$@"\n` })) {
    await writeFile(at('bin', name), `#!/bin/sh\n${text}`, { mode: 0o755 });
  }
  const env = { PATH: `${at('bin')}:${process.env['PATH'] ?? ''}`, CERTS: at('certs'), PROSE_TLS: at('tls'), PROSE_AUTHORITY: at('authority'), PROSE_AUTHORITY_PROGRAM: at('bin', 'authority'), PROSE_WEB_ROOT: at('web'), PROSE_SHOWN_CERTIFICATE: at('bin', 'shown') };
  const issue = () => run('dash', [path.join(goldenDirectory, 'prosody-intranet', 'usr-local-sbin-office-certificates'), 'issue'], env);
  const first = await issue();
  t.is(first.code, 0, first.stderr);
  const leaf = new X509Certificate(await readFile(at('certs', 'chat.home.crt')));
  const authority = new X509Certificate(await readFile(at('web', 'ca.crt')));
  t.is(leaf.subjectAltName, 'DNS:chat.home, DNS:groups.chat.home, IP Address:192.168.1.100');
  t.true(leaf.verify(authority.publicKey) && authority.ca && !leaf.ca);
  t.true(leaf.validToDate.getTime() - Date.now() < 398 * 86_400_000);
  t.deepEqual((await readdir(at('certs'))).sort(), ['chat.home.crt', 'chat.home.key', 'groups.chat.home.crt', 'groups.chat.home.key']);
  t.is((await stat(at('authority', 'ca.key'))).mode & 0o777, 0o600);
  t.is((await stat(at('certs', 'chat.home.key'))).mode & 0o777, 0o600);
  t.is((await issue()).code, 0);
  t.is(await readFile(at('reloads'), 'utf8'), 'reload\n', 'nothing new, nothing reloaded');
  await writeFile(at('authority', 'chat.home', 'fullchain.pem'), authority.toString());
  t.is((await issue()).code, 0);
  const second = new X509Certificate(await readFile(at('tls', 'chat.home', 'fullchain.pem')));
  t.true(second.verify(authority.publicKey) && second.serialNumber !== leaf.serialNumber);
  t.is(await readFile(at('reloads'), 'utf8'), 'reload\nreload\n');
  const verified = await run('openssl', ['verify', '-x509_strict', '-purpose', 'sslserver', '-verify_hostname', 'groups.chat.home', '-CAfile', at('web', 'ca.crt'), at('certs', 'groups.chat.home.crt')]);
  t.is(verified.code, 0, verified.stderr);
});

test('host-meta names BOSH and the WebSocket in both forms', async (t) => {
  const { links } = JSON.parse(await readFile(path.join(golden, 'var-www-chat-.well-known-host-meta.json'), 'utf8')) as { links: { rel: string; href: string }[] };
  const wanted = ['wss://example.org/xmpp-websocket', 'https://example.org/http-bind'];
  t.deepEqual(links.map(({ href }) => href), wanted);
  const xml = await readFile(path.join(golden, 'var-www-chat-.well-known-host-meta'), 'utf8');
  for (const href of wanted) t.true(xml.includes(`href='${href}'`));
});
