import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { staticBusybox } from '../busybox.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const execute = promisify(execFile);
const parts = path.resolve(import.meta.dirname, '../../../src/device/updater.d');
const dayMs = 86_400_000;

interface Certificate {
  readonly key: Buffer;
  readonly cert: Buffer;
  readonly file: string;
}

interface CertificateOptions {
  /** Of subjectAltName; without any only the common name counts. */
  readonly names?: string;
  readonly fromDays?: number;
  readonly untilDays?: number;
}

/** Self-signed, by `openssl ca`, which every version lets choose the dates. */
async function makeCertificate({ names, fromDays = -30, untilDays = 60 }: CertificateOptions): Promise<Certificate> {
  const directory = await temporaryDirectory('certificate');
  const lines = [
    '[ca]', 'default_ca = own', '[own]', `database = ${directory}/index`, `new_certs_dir = ${directory}`, 'policy = any', 'default_md = sha256', 'rand_serial = yes',
    '[any]', 'commonName = supplied', '[req]', 'distinguished_name = any', '[ext]', 'basicConstraints = CA:true', ...(names ? [`subjectAltName = ${names}`] : []), '',
  ];
  await writeFile(path.join(directory, 'config'), lines.join('\n'));
  await writeFile(path.join(directory, 'index'), '');
  const date = (days: number) => new Date(Date.now() + days * dayMs).toISOString().replace(/[-:T]|\.\d+/g, '');
  const openssl = (...args: readonly string[]) => execute('openssl', [...args], { cwd: directory });
  await openssl('req', '-config', 'config', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=common.test', '-keyout', 'key', '-out', 'request');
  await openssl('ca', '-config', 'config', '-batch', '-notext', '-selfsign', '-keyfile', 'key', '-in', 'request', '-out', 'cert', '-extensions', 'ext', '-startdate', date(fromDays), '-enddate', date(untilDays));
  const file = path.join(directory, 'cert');
  return { key: await readFile(path.join(directory, 'key')), cert: await readFile(file), file };
}

type Speech = 'none' | 'smtp' | 'xmpp';

/** What a server says before TLS begins: its greeting, then an answer to each thing that it understands. */
const speeches: Readonly<Record<Exclude<Speech, 'none'>, { greeting?: string; answers: readonly (readonly [RegExp, string])[] }>> = {
  smtp: { greeting: '220 mail.test ESMTP\r\n', answers: [[/EHLO/, '250-mail.test\r\n250 STARTTLS\r\n'], [/STARTTLS/, '220 go ahead\r\n']] },
  xmpp: {
    answers: [
      [
        /to=["']chat\.test["']/,
        "<?xml version='1.0'?><stream:stream from='chat.test' id='1' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
      ],
      [/<starttls/, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"],
    ],
  },
};

/** Serves this certificate on a port of its own until the test ends. */
async function serve(t: ExecutionContext, { key, cert }: Certificate, speech: Speech = 'none', host = '127.0.0.1') {
  const serverNames: (string | false | undefined)[] = [];
  const secure = (socket: net.Socket) => {
    const encrypted = new tls.TLSSocket(socket, { isServer: true, key, cert });
    encrypted.on('secure', () => serverNames.push((encrypted as tls.TLSSocket & { servername?: string | false }).servername));
    encrypted.on('error', () => {});
    encrypted.on('end', () => encrypted.end());
  };
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    if (speech === 'none') { secure(socket); return; }
    const { greeting, answers } = speeches[speech];
    if (greeting) socket.write(greeting);
    let step = 0;
    socket.on('data', function answer(data: Buffer) {
      const [pattern, text] = answers[step]!;
      if (!pattern.test(data.toString())) return;
      step += 1;
      if (step === answers.length) {
        socket.off('data', answer);
        secure(socket);
        socket.write(text);
      } else socket.write(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  t.teardown(() => server.close());
  return { port: (server.address() as AddressInfo).port, serverNames };
}

interface ProbeOptions {
  readonly host?: string;
  readonly starttls?: Speech;
  readonly name?: string;
  readonly days?: number;
  readonly trust?: 'any' | 'trusted';
  /** A file of certificates that count as trusted. */
  readonly authorities?: string;
  readonly shell?: readonly string[];
}

/** An empty answer is a pass. */
async function probe(port: number, { host = '127.0.0.1', starttls = 'none', name = 'chat.test', days = 7, trust = 'any', authorities, shell = ['dash'] }: ProbeOptions): Promise<string> {
  const script = `set -u; STATE_DIR=/x TAB=$(printf '\\t') scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    . '${parts}/run/log.sh'; . '${parts}/probes/probe.sh'; . '${parts}/probes/tls.sh'
    probe_tls "$@" || printf '%s' "$probe_answer"`;
  const env = { ...process.env, LC_ALL: 'C', ...(authorities ? { SSL_CERT_FILE: authorities } : {}) };
  const { stdout } = await execute(shell[0]!, [...shell.slice(1), '-c', script, 'sh', host, String(port), starttls, name, String(days), trust], { env });
  return stdout;
}

function day(offset: number): string {
  return new Date(Date.now() + offset * dayMs).toISOString().slice(0, 10);
}

test('a certificate that covers the name passes, whoever signed it, in each shell', async (t) => {
  const { port, serverNames } = await serve(t, await makeCertificate({ names: 'DNS:other.test,DNS:chat.test' }));
  t.is(await probe(port, {}), '');
  t.is(await probe(port, { shell: [await staticBusybox(), 'sh'] }), '');
  t.is(serverNames[0], 'chat.test', 'it asks for the name');
});

test('a name that is not covered fails and tells which are', async (t) => {
  const { port } = await serve(t, await makeCertificate({ names: 'DNS:other.test,DNS:*.chat.test,IP:127.0.0.1' }));
  t.is(await probe(port, {}), 'a certificate that does not cover chat.test, but: other.test, *.chat.test, 127.0.0.1');
  t.is(await probe(port, { name: 'rooms.chat.test' }), '');
  t.is(await probe(port, { name: '127.0.0.1' }), '');
  t.regex(await probe(port, { name: '127.0.0.2' }), /does not cover 127\.0\.0\.2/);
  const plain = await serve(t, await makeCertificate({}));
  t.is(await probe(plain.port, { name: 'common.test' }), '', 'a common name counts where nothing else is said');
  t.regex(await probe(plain.port, {}), /does not cover chat\.test, but: subject=CN ?= ?common\.test/);
});

test('a certificate that ends soon, has ended or has not begun fails with both dates and what the clock says', async (t) => {
  const names = 'DNS:chat.test';
  const soon = await serve(t, await makeCertificate({ names, untilDays: 5 }));
  t.is(await probe(soon.port, {}), `a certificate that expires on ${day(5)}, in less than 7 days; the clock of this device says ${day(0)}`);
  t.is(await probe(soon.port, { days: 4 }), '');
  const over = await serve(t, await makeCertificate({ names, untilDays: -1 }));
  t.is(await probe(over.port, { days: 0 }), `a certificate that expired on ${day(-1)}; the clock of this device says ${day(0)}`);
  // To a certificate of today a clock that is years behind looks like this.
  const later = await serve(t, await makeCertificate({ names, fromDays: 2000, untilDays: 40_000 }));
  t.is(await probe(later.port, {}), `a certificate that is valid from ${day(2000)}, but the clock of this device says ${day(0)}`);
  const long = await serve(t, await makeCertificate({ names, untilDays: 40_000 }));
  t.is(await probe(long.port, { days: 3650 }), '', 'a date beyond 2038 and 2099');
});

test('where trust is asked for, somebody must vouch for it', async (t) => {
  const certificate = await makeCertificate({ names: 'DNS:chat.test' });
  const { port } = await serve(t, certificate);
  t.regex(await probe(port, { trust: 'trusted' }), new RegExp(`^a certificate that this device does not trust: 18 \\(self.signed certificate\\) \\(its clock says ${day(0)}\\)$`));
  t.is(await probe(port, { trust: 'trusted', authorities: certificate.file }), '');
});

test('STARTTLS for mail and chat', async (t) => {
  const certificate = await makeCertificate({ names: 'DNS:chat.test' });
  for (const starttls of ['smtp', 'xmpp'] as const) {
    const { port } = await serve(t, certificate, starttls);
    t.is(await probe(port, { starttls }), '', starttls);
  }
  const { port } = await serve(t, certificate, 'smtp');
  t.regex(await probe(port, { starttls: 'smtp', name: 'mail.test' }), /does not cover mail\.test/);
});

test('over IPv6', async (t) => {
  const { port } = await serve(t, await makeCertificate({ names: 'DNS:chat.test,IP:::1' }), 'none', '::1');
  t.is(await probe(port, { host: '::1' }), '');
  t.is(await probe(port, { host: '::1', name: '::1' }), '');
});

test('what speaks no TLS, or does not listen, fails and says so', async (t) => {
  const server = net.createServer((socket) => socket.end('hello\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  t.regex(await probe(port, {}), /^no TLS: ./);
  server.close();
  t.regex(await probe(port, {}), /^no TLS: .*(errno=111|refused)/);
});
