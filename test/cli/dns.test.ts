import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { errorCode, proseShip as withJson } from '../support/command-line.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { jsonLines, proseShip } from './prose-ship.ts';

const site = 'schema: 1\nname: demo\nversion: 1.0.0\nrecipe: prosody\ndomain: chat.example.org\n';
const addresses = "variables: {ipv4: 203.0.113.7, ipv6: '2001:db8::7', rooms: false}\n";

async function folder(text = site + addresses): Promise<{ readonly cwd: string }> {
  const cwd = await temporaryDirectory('dns');
  await writeFile(path.join(cwd, 'prose-ship.yaml'), text);
  return { cwd };
}

test('a table for the form of a provider, with names as the zone has them', async (t) => {
  const { exitCode, stdout, stderr } = await proseShip(['dns', '--zone', 'example.org.'], await folder());
  t.is(exitCode, 0, stderr);
  t.is(stderr, '');
  t.is(stdout, `name                    type   TTL  value                       purpose
chat                    A      600  203.0.113.7                 The host
chat                    AAAA   600  2001:db8::7                 The host
_xmpp-client._tcp.chat  SRV   3600  0 5 5222 chat.example.org.  Chat clients find the host
_xmpp-server._tcp.chat  SRV   3600  0 5 5269 chat.example.org.  Other chat servers find the host`);
});

test('standard output holds the records alone, warnings go to the other one', async (t) => {
  const { exitCode, stdout, stderr } = await proseShip(['dns', '--format', 'json'], await folder(`${site}variables: {ipv4: 192.168.1.7, federation: false}\n`));
  t.is(exitCode, 0);
  t.deepEqual(jsonLines(t, stdout), [
    { name: 'chat.example.org', type: 'A', ttl: 600, data: '192.168.1.7', purpose: 'The host' },
    { name: '_xmpp-client._tcp.chat.example.org', type: 'SRV', ttl: 3600, data: '0 5 5222 chat.example.org.', purpose: 'Chat clients find the host' },
  ]);
  t.regex(stderr, /^warning: A chat\.example\.org is 192\.168\.1\.7, which only its own network reaches \(E_DNS_PRIVATE\)\. .*router/);
});

test('an address that nobody named is warned of', async (t) => {
  const { stdout, stderr } = await proseShip(['dns', '--format', 'dnsmasq'], await folder(site));
  t.true(stdout.startsWith('# Chat clients find the host\nsrv-host=_xmpp-client._tcp.chat.example.org,chat.example.org,5222,0,5\n'));
  t.regex(stderr, /^warning: Records point to 'chat\.example\.org', and none says which address that has \(E_DNS_NO_ADDRESS\)/);
});

test('--json: records and warnings as data', async (t) => {
  const { exitCode, stdout, result } = await withJson(['dns', '--format', 'bind'], await folder());
  t.is(exitCode, 0);
  t.false(stdout.includes('$ORIGIN'));
  t.like(result, { ok: true, zone: 'chat.example.org', warnings: [] });
  t.is((result['records'] as unknown[]).length, 4);
});

test('a whole zone has a serial that grows', async (t) => {
  const place = await folder();
  const before = Math.floor(Date.now() / 1000);
  const { stdout } = await proseShip(['dns', '--format', 'bind', '--name-server', 'ns1.example.net', '--name-server', 'NS2.example.net.'], place);
  const serial = Number(/SOA {3}ns1\.example\.net\. hostmaster\.chat\.example\.org\. (\d+) /.exec(stdout)?.[1]);
  t.true(serial >= before && serial <= before + 60, stdout);
  t.regex(stdout, /^@ +3600 IN NS {4}ns2\.example\.net\.$/m);
});

test('a recipe without records has nothing to print', async (t) => {
  const { exitCode, stdout, stderr } = await proseShip(['dns', '--check', '--config', path.resolve(import.meta.dirname, '../fixtures/site/static-web.yaml')]);
  t.is(exitCode, 0);
  t.is(stdout, '');
  t.is(stderr, 'The recipe static-web names no DNS records.');
});

test('--dry-run --check tells what would be asked, and asks nothing', async (t) => {
  const { exitCode, stdout } = await proseShip(['dns', '--check', '--dry-run', '--server', '127.0.0.1:9'], await folder());
  t.is(exitCode, 0);
  t.is(stdout, ['A', 'AAAA'].map((type) => `127.0.0.1:9: ${type} chat.example.org\n`).join('') + ['client', 'server'].map((kind) => `127.0.0.1:9: SRV _xmpp-${kind}._tcp.chat.example.org`).join('\n'));
});

const wrong: Record<string, readonly [words: readonly string[], code: string, message: RegExp, remedy: RegExp]> = {
  'a format that is none': [['--format', 'bnd'], 'E_USAGE', /bnd/, /dns --help/],
  'a server without --check': [['--server', '127.0.0.1'], 'E_USAGE', /--server names whom to ask/, /Add --check/],
  'a name server for a table': [['--name-server', 'ns1.example.net'], 'E_USAGE', /whole zone file/, /--format bind/],
  'a check in a zone file': [['--check', '--format', 'bind'], 'E_USAGE', /--check does not go with --format bind/, /json/],
  'a zone that is none': [['--zone', 'a b'], 'E_BAD_DOMAIN', /'a b' is not a domain name/, /chat\.example\.org/],
  'a name server that is an address': [['--format', 'bind', '--name-server', '192.0.2.1'], 'E_BAD_DOMAIN', /'192\.0\.2\.1' is an address/, /.+/],
  'a zone that has not all': [['--format', 'bind', '--name-server', 'ns1.example.net', '--zone', 'example.net'], 'E_DNS_OUTSIDE_ZONE', /'example\.net' cannot hold chat\.example\.org, _xmpp/, /--zone NAME/],
  'a server with a wrong port': [['--check', '--server', '127.0.0.1:70000'], 'E_BAD_SERVER', /'127\.0\.0\.1:70000' is no DNS server/, /192\.168\.1\.1:5300/],
  'a server that is no address': [['--check', '--server', '300.1.2.3'], 'E_BAD_SERVER', /'300\.1\.2\.3' is no DNS server/, /9\.9\.9\.9/],
};

for (const [title, [words, code, message, remedy]] of Object.entries(wrong)) {
  test(`refuses ${title}`, async (t) => {
    const result = await withJson(['dns', ...words], await folder());
    const error = result.result['error'] as { readonly message: string; readonly remedy: string };
    t.deepEqual([result.exitCode, errorCode(result)], [2, code], result.stderr);
    t.regex(error.message, message);
    t.regex(error.remedy, remedy);
  });
}
