import { X509Certificate } from 'node:crypto';
import { chmod, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { run, type Outcome } from '../../support/run-program.ts';
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
  for (const [site, name] of [['prose-pod', 'prose'], ['prose-pod-federated', 'pod']] as const) {
    for (const script of [`usr-local-sbin-${name}-certificates`, `usr-local-sbin-${name}-shown-certificate`, `etc-letsencrypt-renewal-hooks-deploy-${name}`]) {
      t.is((await run('shellcheck', ['--shell=sh', path.join(goldenDirectory, site, script)])).stdout, '', script);
    }
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
  t.regex(wrong.outcome.stderr, /^usage: prose-certificates placeholder \| issue \| deploy LINEAGE \| check/);
});

/** A host whose programs are stand-ins: they do as the files of its folder say, and note what they were told in others. */
class StandInHost {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(): Promise<StandInHost> {
    const host = new StandInHost(await temporaryDirectory('pod-host'));
    for (const folder of ['bin', 'certs']) await mkdir(host.at(folder));
    const programs = {
      // What would run in the container runs here, with its folder of certificates in another place.
      docker: 'case $1 in ps) [ -e "$STATE/stopped" ] || echo server; exit ;; esac\nshift\n[ "$1" != -i ] || shift\nshift\ncount=$#\nfor word; do set -- "$@" "$(printf %s "$word" | sed "s:/etc/prosody/certs:$STATE/certs:")"; done\nshift "$count"\nexec "$@"\n',
      prosodyctl: '[ ! -e "$STATE/deaf" ] || exit 1\necho "Prosody $*" >>"$STATE/told"\n',
      nginx: 'case $1 in -t) [ ! -e "$STATE/deaf" ] ;; *) echo "nginx $*" >>"$STATE/told" ;; esac\n',
      getent: 'grep -qxF "$2" "$STATE/names"\n',
      certbot: `[ ! -e "$STATE/refused" ] || exit 1
echo "$*" >>"$STATE/asked"
while [ $# -gt 0 ]; do
    case $1 in --cert-name) live=$PROSE_LETSENCRYPT/live/$2 ;; --domain) names="\${names:+$names,}DNS:$2" ;; esac
    shift
done
mkdir -p "$live"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 -subj /CN=x -addext "subjectAltName=$names" -keyout "$live/privkey.pem" -out "$live/fullchain.pem" 2>/dev/null\n`,
      'shown-certificate': `[ "$1" != check ] || { echo "$*" >>"$STATE/checked"; [ "$3" != "\${SPOILT:-}" ] && exit || exit 1; }\nexec dash ${golden}/usr-local-sbin-prose-shown-certificate "$@"\n`,
    };
    for (const [name, text] of Object.entries(programs)) await writeFile(host.at('bin', name), `#!/bin/sh\n${text}`, { mode: 0o755 });
    return host;
  }

  at(...names: readonly string[]): string {
    return path.join(this.directory, ...names);
  }

  /** The script of a fixture site. */
  run(verb: string, site = 'prose-pod/usr-local-sbin-prose', env: Record<string, string> = {}): Promise<Outcome> {
    const own = { STATE: this.directory, PATH: `${this.at('bin')}:${process.env['PATH'] ?? ''}`, PROSE_TLS: this.at('tls'), PROSE_LETSENCRYPT: this.at('letsencrypt'), PROSE_WEB_ROOT: this.at('web'), PROSE_SHOWN_CERTIFICATE: this.at('bin/shown-certificate') };
    return run('dash', [path.join(goldenDirectory, `${site}-certificates`), verb], { ...own, ...env });
  }

  async succeed(t: ExecutionContext, verb: string): Promise<void> {
    const { code, stderr } = await this.run(verb);
    t.is(code, 0, stderr);
  }

  setNames(names: readonly string[]): Promise<void> {
    return writeFile(this.at('names'), names.map((name) => `${name}\n`).join(''));
  }

  /** The lines of a file; none where there is no file. Empties it. */
  async take(name: string): Promise<string[]> {
    const text = await readFile(this.at(name), 'utf8').catch(() => '');
    await rm(this.at(name), { force: true });
    return text.split('\n').filter(Boolean);
  }

  async names(...file: readonly string[]): Promise<string | undefined> {
    return new X509Certificate(await readFile(this.at(...file, 'fullchain.pem'))).subjectAltName;
  }
}

const everyName = ['example.org', 'groups.example.org', 'prose.example.org', 'admin.prose.example.org'];
const asked = (lines: readonly string[]) => lines.map((line) => line.replace(/^.* --cert-name /, ''));

test('a name without an address is left out, and asked for once it has one; a certificate without its first name waits', async (t) => {
  const host = await StandInHost.create();
  await host.setNames(['example.org']);
  await host.succeed(t, 'placeholder');
  const first = await host.run('issue');
  t.is(first.code, 1, 'something is missing');
  t.deepEqual(first.stderr.split('\n').filter(Boolean), ['groups.example.org has no address in the DNS yet; it is left out', 'prose.example.org is not in the DNS yet; see `prose-ship dns`']);
  t.deepEqual(asked(await host.take('asked')), ['example.org --domain example.org']);
  t.is(await host.names('tls/example.org'), 'DNS:example.org');
  t.is(await host.names('certs/example.org'), 'DNS:example.org');
  t.is(await host.names('tls/prose.example.org'), 'DNS:prose.example.org, DNS:admin.prose.example.org', 'the placeholder stays');
  await host.setNames(everyName);
  await host.succeed(t, 'issue');
  const all = await host.take('asked');
  t.true(all.every((line) => line.includes(` --expand --register-unsafely-without-email --webroot --webroot-path ${host.at('web')} `)), all.join('\n'));
  t.deepEqual(asked(all), ['example.org --domain example.org --domain groups.example.org', 'prose.example.org --domain prose.example.org --domain admin.prose.example.org']);
  t.is(await host.names('certs/example.org'), 'DNS:example.org, DNS:groups.example.org');
  await host.setNames(['example.org', 'prose.example.org']);
  await host.succeed(t, 'issue');
  t.deepEqual(await host.take('asked'), [], 'what is good is not asked for again');
});

test('nginx and Prosody that could not be told are told by the next run, and once', async (t) => {
  const host = await StandInHost.create();
  await host.setNames(everyName);
  await writeFile(host.at('deaf'), '');
  t.is((await host.run('issue')).code, 1);
  t.is(await host.names('certs/example.org'), 'DNS:example.org, DNS:groups.example.org');
  t.deepEqual(await host.take('told'), []);
  await rm(host.at('deaf'));
  await host.succeed(t, 'issue');
  t.deepEqual(await host.take('told'), ['nginx -s reload', 'Prosody reload', 'nginx -s reload']);
  await host.succeed(t, 'issue');
  t.deepEqual(await host.take('told'), []);
});

test('a server that does not run gets its certificate from the next run', async (t) => {
  const host = await StandInHost.create();
  await host.setNames(everyName);
  await writeFile(host.at('stopped'), '');
  const first = await host.run('issue');
  t.is(first.code, 0, first.stderr);
  t.regex(first.stderr, /^the server is not running; it gets its certificate when it does$/m);
  await rm(host.at('stopped'));
  await host.succeed(t, 'issue');
  t.is(await host.names('certs/example.org'), 'DNS:example.org, DNS:groups.example.org');
  t.is((await stat(host.at('certs/example.org/privkey.pem'))).mode & 0o777, 0o600);
  t.deepEqual((await host.take('told')).filter((line) => line.startsWith('Prosody')), ['Prosody reload']);
});

test('a refusal keeps what was there, says where more is, and holds the other certificate up in nothing', async (t) => {
  const host = await StandInHost.create();
  await host.setNames(everyName.slice(0, 3));
  await host.succeed(t, 'issue');
  const before = await readFile(host.at('tls/prose.example.org/fullchain.pem'), 'utf8');
  await host.setNames(everyName);
  await writeFile(host.at('refused'), '');
  await rm(host.at('certs/example.org'), { recursive: true });
  const refused = await host.run('issue');
  t.is(refused.code, 1);
  t.is(refused.stderr, 'no certificate for prose.example.org admin.prose.example.org; what was there stays. More in /var/log/letsencrypt/letsencrypt.log\n');
  t.is(await readFile(host.at('tls/prose.example.org/fullchain.pem'), 'utf8'), before);
  t.is(await host.names('certs/example.org'), 'DNS:example.org, DNS:groups.example.org');
});

test('the check asks Prosody and nginx for each name that they serve', async (t) => {
  const host = await StandInHost.create();
  const { code } = await host.run('check', 'prose-pod/usr-local-sbin-prose', { SPOILT: 'prose.example.org' });
  t.is(code, 1);
  t.deepEqual(await host.take('checked'), [
    'check Prosody example.org 127.0.0.1:5222 -starttls xmpp -xmpphost example.org',
    ...['prose.example.org', 'admin.prose.example.org', 'example.org'].map((name) => `check nginx ${name} 127.0.0.1:443`),
  ]);
  t.is((await host.run('check', 'prose-pod-federated/usr-local-sbin-pod')).code, 0);
  t.deepEqual(await host.take('checked'), [
    'check Prosody chat.example.org 203.0.113.7:5222 -starttls xmpp -xmpphost chat.example.org',
    'check Prosody groups.chat.example.org 203.0.113.7:5269 -starttls xmpp-server -xmpphost groups.chat.example.org',
    ...['prose.chat.example.org', 'admin.prose.chat.example.org', 'chat.example.org'].map((name) => `check nginx ${name} 127.0.0.1:443`),
  ]);
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
