import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { layIntranet } from '../../support/chat/intranet-host.ts';
import { errorCode, proseShip, type CommandLineResult } from '../../support/command-line.ts';
import { createThrowawayHost, type ThrowawayHost } from '../../support/hosts/throwaway-host.ts';
import { run } from '../../support/run-program.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const authority = '/etc/prose/authority';

let host: ThrowawayHost;
let directory: string;
let fingerprint: string;

test.before('a host whose authority has signed', async (t) => {
  host = await createThrowawayHost({ engine: false });
  directory = await temporaryDirectory('intranet-export');
  await layIntranet(host, 'chat.home');
  const signed = await host.exec('office-authority sign');
  t.is(signed.exitCode, 0, signed.stderr);
  fingerprint = new X509Certificate(await readFile(path.join(host.root, authority, 'ca.crt'))).fingerprint256;
});

test.after.always('gone', async () => {
  await (host as ThrowawayHost | undefined)?.destroy();
});

function ship(...args: string[]): Promise<CommandLineResult> {
  return proseShip(['authority', ...args], { environment: { PROSE_SHIP_SSH_CONFIG: host.sshConfigFile }, cwd: directory });
}

async function exported(t: ExecutionContext, format: string, name: string): Promise<string> {
  const file = path.join(directory, name);
  const result = await ship('export', host.name, '--format', format, '--output', name);
  t.is(result.exitCode, 0, result.stderr);
  t.like(result.result, { ok: true, format, file, fingerprint });
  return file;
}

test.serial('show: whom it may sign for, whom it has signed for, where phones get it', async (t) => {
  const { exitCode, result, stderr } = await ship('show', host.name);
  t.is(exitCode, 0, stderr);
  t.like(result, {
    name: 'Authority of office',
    fingerprint,
    permits: ['DNS:chat.home', `IP:${host.address}/255.255.255.255`],
    page: `http://${host.address}/ca.html`,
  });
  t.like(result['signed'], { names: ['chat.home', 'groups.chat.home', host.address], holds: true });
});

test.serial('PEM and DER are the certificate alone, which OpenSSL and GnuTLS read; the key stays on the host', async (t) => {
  const key = await readFile(path.join(host.root, authority, 'ca.key'), 'utf8');
  await host.exec(`cat ${authority}/ca.key >>${authority}/ca.crt`);
  const pem = await exported(t, 'pem', 'office-ca.crt');
  const der = await exported(t, 'der', 'office-ca.der');
  const printed = await ship('export', host.name);
  await host.exec(`openssl x509 -in ${authority}/ca.crt -out ${authority}/ca.new && mv ${authority}/ca.new ${authority}/ca.crt`);
  const text = await readFile(pem, 'utf8');
  t.regex(text, /^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+\n-----END CERTIFICATE-----\n$/);
  t.is(printed.result['content'], text);
  for (const secret of key.split('\n').slice(1, 3)) t.false(`${printed.stdout}${printed.stderr}`.includes(secret));
  const openssl = await run('openssl', ['x509', '-inform', 'DER', '-in', der, '-noout', '-fingerprint', '-sha256']);
  t.true(openssl.stdout.trim().endsWith(`=${fingerprint}`), openssl.stdout);
  const gnutls = await run('certtool', ['--certificate-info', '--infile', pem]);
  t.regex(gnutls.stdout, /Name Constraints \(critical\):\s+Permitted:\s+DNSname: chat\.home\s+IPAddress: [\d.]+\/32/);
  t.is((await host.exec(`stat -c %a ${authority} ${authority}/ca.key ${authority}/chat.home/privkey.pem`)).stdout, '700\n600\n600');
});

test.serial('a configuration profile that Python reads, with the same UUIDs each time', async (t) => {
  const file = await exported(t, 'mobileconfig', 'office.mobileconfig');
  const script = 'import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], "rb")), default=lambda data: data.hex()))';
  const read = async () => JSON.parse((await run('python3', ['-c', script, file])).stdout) as Record<string, unknown> & { PayloadContent: Record<string, unknown>[] };
  const profile = await read();
  const uuid = /^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-8[\da-f]{3}-[\da-f]{12}$/;
  t.like(profile, { PayloadType: 'Configuration', PayloadVersion: 1, PayloadIdentifier: 'chat.home.authority' });
  const [payload, ...more] = profile.PayloadContent;
  t.is(more.length, 0);
  t.like(payload, { PayloadType: 'com.apple.security.root', PayloadVersion: 1, PayloadIdentifier: 'chat.home.authority.certificate' });
  t.is(new X509Certificate(Buffer.from(String(payload?.['PayloadContent']), 'hex')).fingerprint256, fingerprint);
  t.regex(String(profile['PayloadUUID']), uuid);
  t.regex(String(payload?.['PayloadUUID']), uuid);
  t.not(profile['PayloadUUID'], payload?.['PayloadUUID']);
  t.is((await host.exec('office-authority renew')).exitCode, 0);
  await exported(t, 'mobileconfig', 'office.mobileconfig');
  t.deepEqual(await read(), profile);
});

/** The blocks of `qrencode --type=UTF8` as a picture of eight pixels a module: a full block is two light ones. */
function pictureOf(blocks: string): string {
  const rows = blocks.split('\n').filter((line) => line !== '').flatMap((line) => {
    const cells = Array.from(line);
    return [cells.map((cell) => '█▀'.includes(cell)), cells.map((cell) => '█▄'.includes(cell))];
  });
  const scale = 8;
  const width = (rows[0]?.length ?? 0) * scale;
  const lines = rows.flatMap((row) => Array.from({ length: scale }, () => row.map((isLight) => (isLight ? '0' : '1').repeat(scale)).join('')));
  return `P1\n${width} ${lines.length}\n${lines.map((line) => line.replace(/.{64}/g, '$&\n')).join('\n')}\n`;
}

test.serial('a QR code leads to the page, which hands out this very authority', async (t) => {
  const { exitCode, result, stderr } = await ship('export', host.name, '--format', 'qr');
  t.is(exitCode, 0, stderr);
  const picture = path.join(directory, 'qr.pbm');
  await writeFile(picture, pictureOf(String(result['content'])));
  const scanned = await run('zbarimg', ['--quiet', '--raw', picture]);
  const page = scanned.stdout.trim();
  t.is(page, `http://${host.address}/ca.html`, scanned.stderr);
  const fetch = async (address: string) => run('curl', ['--silent', '--show-error', '--fail', '--include', '--max-time', '20', address]);
  const text = (await fetch(page)).stdout;
  t.regex(text, /^Content-Type: text\/html/im);
  t.true(text.replaceAll('<wbr>', '').includes(fingerprint), text);
  const links = [...text.matchAll(/href="([^"]+)"/g)].map(([, link = '']) => link);
  t.deepEqual(links, ['/ca.mobileconfig', '/ca.crt']);
  const [profile, certificate] = await Promise.all(links.map((link) => fetch(new URL(link, page).href)));
  t.regex(profile?.stdout ?? '', /^Content-Type: application\/x-apple-aspen-config/im);
  t.regex(certificate?.stdout ?? '', /^Content-Type: application\/x-x509-ca-cert/im);
  const body = /-----BEGIN[^]*/.exec(certificate?.stdout ?? '')?.[0] ?? '';
  t.is(new X509Certificate(body).fingerprint256, fingerprint);
  for (const name of ['ca.key', '.lock', 'published']) t.not((await fetch(`http://${host.address}/${name}`)).stdout.slice(9, 12), '200', name);
  t.regex(await readFile(await exported(t, 'qr', 'qr.svg'), 'utf8'), /<svg[^>]+>/);
});

test.serial('a fingerprint that was written down is compared', async (t) => {
  for (const written of [fingerprint, fingerprint.toLowerCase().replaceAll(':', ''), `SHA256:${fingerprint}`]) {
    t.is((await ship('show', host.name, '--fingerprint', written)).exitCode, 0, written);
  }
  const wrong = await ship('export', host.name, '--fingerprint', fingerprint.replace(/^../, '').concat('00'), '--output', 'never.crt');
  t.is(wrong.exitCode, 3);
  t.is(errorCode(wrong), 'E_AUTHORITY_FINGERPRINT');
  t.true(wrong.stderr.includes(fingerprint));
  await t.throwsAsync(readFile(path.join(directory, 'never.crt')), { code: 'ENOENT' });
});

test.serial('a login that is not root exports by sudo', async (t) => {
  await host.addUser('anna', { sudo: true });
  const { exitCode, result, stderr } = await ship('export', `anna@${host.address}`);
  t.is(exitCode, 0, stderr);
  t.is(result['fingerprint'], fingerprint);
});

const broken: Readonly<Record<string, readonly [damage: string, words: readonly string[], code: string, exitCode: number, remedy: RegExp]>> = {
  'a profile with another certificate': [`sed -i 's|<data>.*</data>|<data>MAo=</data>|' ca.mobileconfig`, ['export', '--format', 'mobileconfig'], 'E_AUTHORITY_PROFILE', 3, /systemctl start/],
  'a host without a page': ['rm published', ['export', '--format', 'qr'], 'E_AUTHORITY_NOT_SERVED', 3, /`web: true`/],
  'an address that is none': ['echo "http://x/ca.html; reboot" >published', ['export', '--format', 'qr'], 'E_AUTHORITY_NOT_SERVED', 3, /`web: true`/],
  'a host without qrencode': ['mv /usr/bin/qrencode /usr/bin/qrencode.away', ['export', '--format', 'qr'], 'E_NO_QRENCODE', 3, /provision/],
  'a certificate that nobody can sign with': ['cp chat.home/fullchain.pem ca.crt', ['show'], 'E_AUTHORITY_INVALID', 1, /backup/],
  'no certificate at all': ['echo nothing >ca.crt', ['export'], 'E_AUTHORITY_INVALID', 1, /backup/],
  'a host without an authority': ['rm ca.crt', ['show'], 'E_NO_AUTHORITY', 3, /certificates: private/],
};

for (const [title, [damage, [action = '', ...words], code, exitCode, remedy]] of Object.entries(broken)) {
  test.serial(`refuses ${title}`, async (t) => {
    t.is((await host.exec(`cp -a ${authority} ${authority}.good && cd ${authority} && ${damage}`)).exitCode, 0);
    const result = await ship(action, host.name, ...words);
    await host.exec(`[ ! -e /usr/bin/qrencode.away ] || mv /usr/bin/qrencode.away /usr/bin/qrencode; rm -rf ${authority} && mv ${authority}.good ${authority}`);
    t.deepEqual([errorCode(result), result.exitCode], [code, exitCode], result.stderr);
    t.regex((result.result['error'] as { remedy: string }).remedy, remedy);
  });
}

test.serial('usage: an action that is none, DER without a file', async (t) => {
  t.is(errorCode(await ship('create', host.name)), 'E_BAD_ACTION');
  t.is(errorCode(await ship('export', host.name, '--format', 'der')), 'E_USAGE');
});
