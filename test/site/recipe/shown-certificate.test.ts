import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { run } from '../../support/run-program.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { goldenDirectory } from '../golden/golden-sites.ts';

/** The program that the certificates' scripts of both recipes ask. */
const program = path.join(goldenDirectory, 'prose-pod/usr-local-sbin-prose-shown-certificate');
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

async function openssl(t: ExecutionContext, ...args: readonly string[]): Promise<void> {
  const { code, stderr } = await run('openssl', args);
  t.is(code, 0, stderr);
}

/** A key and a certificate for example.org, by an authority of its own unless it is self-signed. */
async function makeCertificate(t: ExecutionContext, signed: boolean): Promise<{ key: string; certificate: string }> {
  const directory = await temporaryDirectory('shown-certificate');
  const at = (name: string) => path.join(directory, name);
  const names = ['-subj', '/', '-addext', 'subjectAltName=DNS:example.org,DNS:www.example.org'];
  await openssl(t, 'req', '-x509', ...newKey, '-days', '90', ...(signed ? ['-subj', '/CN=Authority'] : names), '-keyout', at('ca.key'), '-out', at('ca.crt'));
  if (!signed) return { key: at('ca.key'), certificate: at('ca.crt') };
  await openssl(t, 'req', '-new', ...newKey, ...names, '-keyout', at('key'), '-out', at('request'));
  await openssl(t, 'x509', '-req', '-in', at('request'), '-copy_extensions', 'copyall', '-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '90', '-out', at('crt'));
  return { key: at('key'), certificate: at('crt') };
}

/** What the program says of a server that shows a certificate. */
async function complaint(t: ExecutionContext, { key, certificate }: { key: string; certificate: string }, name: string): Promise<string> {
  const server = tls.createServer({ key: await readFile(key), cert: await readFile(certificate) });
  t.teardown(() => server.close());
  server.on('tlsClientError', () => undefined);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { code, stdout, stderr } = await run('dash', [program, 'check', 'nginx', name, `127.0.0.1:${(server.address() as AddressInfo).port}`]);
  t.deepEqual([code, stdout], [stderr === '' ? 0 : 1, '']);
  return stderr;
}

test('a certificate that somebody signed for the name is well; one for other names is told with them', async (t) => {
  const signed = await makeCertificate(t, true);
  t.is(new X509Certificate(await readFile(signed.certificate)).subjectAltName, 'DNS:example.org, DNS:www.example.org');
  t.is(await complaint(t, signed, 'www.example.org'), '');
  t.is(await complaint(t, signed, 'chat.example.org'), 'nginx shows for chat.example.org a certificate that does not cover it, but: example.org, www.example.org\n');
});

test('a self-signed certificate and none at all are told', async (t) => {
  t.is(await complaint(t, await makeCertificate(t, false), 'example.org'), 'nginx shows for example.org a self-signed certificate: none came yet; systemctl status prose-certificates says why\n');
  const server = tls.createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  const { code, stderr } = await run('dash', [program, 'check', 'Prosody', 'example.org', `127.0.0.1:${port}`, '-starttls', 'xmpp', '-xmpphost', 'example.org']);
  t.deepEqual([code, stderr], [1, `Prosody shows for example.org no certificate at 127.0.0.1:${port}\n`]);
});

test('whether a file covers a name is its exit status; without a file it does not; nonsense is a usage error', async (t) => {
  const { certificate } = await makeCertificate(t, false);
  const status = async (...args: readonly string[]) => (await run('dash', [program, ...args])).code;
  t.is(await status('covers', certificate, 'www.example.org'), 0);
  t.is(await status('covers', certificate, 'chat.example.org'), 1);
  t.is(await status('covers', `${certificate}.none`, 'example.org'), 1);
  t.is(await status('covers', certificate), 2);
  const wrong = await run('dash', [program, 'check', 'nginx', 'example.org']);
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /^usage: prose-shown-certificate check PROGRAM NAME ADDRESS:PORT \[OPTION\.\.\.\] \| covers FILE NAME$/m);
});
