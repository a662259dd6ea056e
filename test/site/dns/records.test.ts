import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createContext } from '../../../src/context.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import type { DnsRecord } from '../../../src/site/dns/record.ts';
import { fixtures, goodSite, problemsOf, temporarySite, staticWebSite as site } from '../temporary-site.ts';

const fixture = await readFile(path.join(fixtures, 'static-web/recipe.yaml'), 'utf8');
/** The fixture's recipe with these entries of `dns`. */
const recipeWith = (...entries: readonly string[]) => `${fixture}dns:\n${entries.map((entry) => `  - ${entry}\n`).join('')}`;

async function recordsOf(t: ExecutionContext, files: Readonly<Record<string, string>>): Promise<readonly DnsRecord[]> {
  const directory = await temporarySite(t, files);
  return (await loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml'))).recipe.dns ?? [];
}

const shown = ({ name, ttlSeconds, data: { type }, text }: DnsRecord) => `${name} ${ttlSeconds} ${type} ${text}`;

test('values of every type, in normal form', async (t) => {
  const records = await recordsOf(t, {
    'prose-ship.yaml': site,
    'static-web/recipe.yaml': recipeWith(
      "{name: 'WWW.{{ site.domain }}.', type: A, value: [192.0.2.1, 192.0.2.2], ttl: 60}",
      "{name: '*.{{ site.domain }}', type: AAAA, value: '2001:DB8:0:0::7'}",
      '{name: chat.example.org, type: CNAME, value: Host.Example.NET.}',
      "{name: '_imaps._tcp.{{ site.domain }}', type: SRV, value: ' 0  5 993 mail.{{ site.domain }} '}",
      "{name: '_pop3._tcp.example.org', type: SRV, value: '7 0 0 .'}",
      `{name: _note.example.org, type: TXT, value: 'say "é"; \\ {{ title }}', purpose: a note}`,
      `{name: example.org, type: CAA, value: ['0 Issue "letsencrypt.org"', 128 iodef mailto:a@example.org]}`,
    ),
  });
  t.deepEqual(records.map(shown), [
    'www.example.org 60 A 192.0.2.1',
    'www.example.org 60 A 192.0.2.2',
    '*.example.org 3600 AAAA 2001:db8::7',
    'chat.example.org 3600 CNAME host.example.net.',
    '_imaps._tcp.example.org 3600 SRV 0 5 993 mail.example.org.',
    '_pop3._tcp.example.org 3600 SRV 0 0 0 .',
    String.raw`_note.example.org 3600 TXT "say \"\195\169\"; \\ Hello"`,
    'example.org 3600 CAA 0 issue "letsencrypt.org"',
    'example.org 3600 CAA 128 iodef "mailto:a@example.org"',
  ]);
  t.deepEqual(records.map(({ purpose }) => purpose).filter(Boolean), ['a note']);
});

test('a text of more than 255 bytes becomes several strings', async (t) => {
  const [record] = await recordsOf(t, { 'prose-ship.yaml': site, 'static-web/recipe.yaml': recipeWith(`{name: a.example.org, type: TXT, value: ${'x'.repeat(300)}}`) });
  t.is(record?.text, `"${'x'.repeat(255)}" "${'x'.repeat(45)}"`);
});

test('what renders to nothing is left out', async (t) => {
  const records = await recordsOf(t, {
    'prose-ship.yaml': site,
    'static-web/recipe.yaml': recipeWith("{name: example.org, type: A, value: ['{% if compress %}192.0.2.1{% endif %}', '{% unless compress %}192.0.2.2{% endunless %}']}", "{name: ' ', type: A, value: ' '}"),
  });
  t.deepEqual(records.map(shown), ['example.org 3600 A 192.0.2.1']);
});

interface Refused {
  readonly entries: readonly string[];
  readonly code: string;
  /** The text of the last entry where the problem must be placed. */
  readonly at: string;
  readonly message: RegExp;
  readonly remedy: RegExp;
}

const a = '{name: example.org, type: A, value: 192.0.2.1}';
const refused: Record<string, Refused> = {
  'an unknown type': { entries: ['{name: example.org, type: MX, value: 10 a}'], code: 'E_BAD_VALUE', at: 'MX', message: /'MX'/, remedy: /A, AAAA, CNAME, SRV, TXT, CAA|Did you mean/ },
  'a misspelt key': { entries: ['{name: example.org, type: A, value: 192.0.2.1, tll: 60}'], code: 'E_UNKNOWN_KEY', at: 'tll:', message: /'tll'/, remedy: /Did you mean 'ttl'\?/ },
  'a name for an address': { entries: ['{name: example.org, type: A, value: host.example.org}'], code: 'E_BAD_RECORD', at: 'host.', message: /'host\.example\.org', the value of A example\.org, is not an IPv4 address/, remedy: /CNAME/ },
  'an address of the other family': { entries: ["{name: example.org, type: A, value: '2001:db8::1'}"], code: 'E_BAD_RECORD', at: "'2001", message: /is not an IPv4 address/, remedy: /type AAAA/ },
  'an address that does not exist': { entries: ['{name: example.org, type: A, value: 192.0.2.256}'], code: 'E_BAD_RECORD', at: '192', message: /192\.0\.2\.256/, remedy: /203\.0\.113\.7/ },
  'an address with a zone': { entries: ["{name: example.org, type: AAAA, value: 'fe80::1%eth0'}"], code: 'E_BAD_RECORD', at: "'fe80", message: /is not an IPv6 address/, remedy: /2001:db8::7/ },
  'a service without its labels': { entries: ["{name: '{{ site.domain }}', type: SRV, value: 0 5 5222 a.example.org}"], code: 'E_BAD_DOMAIN', at: "'{{", message: /^The SRV record's name 'example\.org' does not say which service it is$/, remedy: /_xmpp-client\._tcp/ },
  'a service of no domain': { entries: ['{name: _xmpp-client._tcp., type: SRV, value: 0 5 5222 a.example.org}'], code: 'E_BAD_DOMAIN', at: '_xmpp', message: /which service/, remedy: /_xmpp-client\._tcp/ },
  'a service with three parts': { entries: ['{name: _a._tcp.example.org, type: SRV, value: 5 5222 a.example.org}'], code: 'E_BAD_RECORD', at: '5 5222', message: /is not what an SRV record holds/, remedy: /PRIORITY WEIGHT PORT TARGET/ },
  'a service on a port too high': { entries: ['{name: _a._tcp.example.org, type: SRV, value: 0 5 65536 a.example.org}'], code: 'E_BAD_RECORD', at: '0 5', message: /65536/, remedy: /at most 65535/ },
  'a service at an address': { entries: ['{name: _a._tcp.example.org, type: SRV, value: 0 5 5222 192.0.2.1}'], code: 'E_BAD_RECORD', at: '0 5', message: /points to '192\.0\.2\.1', which is not the name of a host/, remedy: /A or AAAA/ },
  'a service on port 0': { entries: ['{name: _a._tcp.example.org, type: SRV, value: 0 5 0 a.example.org}'], code: 'E_BAD_RECORD', at: '0 5', message: /port 0/, remedy: /PORT/ },
  'an alias of an address': { entries: ['{name: a.example.org, type: CNAME, value: 192.0.2.1}'], code: 'E_BAD_DOMAIN', at: '192', message: /is an address, not a domain/, remedy: /Labels/ },
  'a text in quotes': { entries: [`{name: a.example.org, type: TXT, value: '"v=1"'}`], code: 'E_BAD_RECORD', at: `'"v`, message: /has quotes around it/, remedy: /are added/ },
  'a text of two lines': { entries: ['{name: a.example.org, type: TXT, value: "a\\nb"}'], code: 'E_BAD_RECORD', at: '"a', message: /line break/, remedy: /one line/ },
  'an authority of two parts': { entries: ['{name: a.example.org, type: CAA, value: issue letsencrypt.org}'], code: 'E_BAD_RECORD', at: 'issue', message: /is not what a CAA record holds/, remedy: /FLAGS TAG VALUE/ },
  'a name with a blank': { entries: ["{name: 'a b.example.org', type: TXT, value: x}"], code: 'E_BAD_DOMAIN', at: "'a b", message: /^The TXT record's name 'a b\.example\.org' is not a domain name$/, remedy: /Labels/ },
  'a name beyond ASCII': { entries: ['{name: bücher.example.org, type: A, value: 192.0.2.1}'], code: 'E_BAD_DOMAIN', at: 'bü', message: /bücher/, remedy: /xn--bcher-kva\.example\.org/ },
  'an underscore in a host': { entries: ['{name: my_host.example.org, type: A, value: 192.0.2.1}'], code: 'E_BAD_DOMAIN', at: 'my_', message: /my_host/, remedy: /hyphens/ },
  'a name of 254 characters': { entries: [`{name: ${'abcdefghi.'.repeat(24)}example.org.abc, type: TXT, value: x}`], code: 'E_BAD_DOMAIN', at: 'abcdefghi.', message: /TXT/, remedy: /63/ },
  'a negative TTL': { entries: ['{name: example.org, type: A, value: 192.0.2.1, ttl: -1}'], code: 'E_BAD_VALUE', at: '-1', message: /-1/, remedy: /At least 0/ },
  'a record twice': { entries: [a, '{name: EXAMPLE.org., type: A, value: 192.0.2.1}'], code: 'E_DUPLICATE', at: '192', message: /'A example\.org 192\.0\.2\.1' is there twice/, remedy: /Remove one/ },
  'an alias beside an address': { entries: [a, '{name: example.org, type: CNAME, value: a.example.net}'], code: 'E_DNS_CNAME_CONFLICT', at: 'a.example.net', message: /'example\.org' would be CNAME a\.example\.net\. beside A 192\.0\.2\.1/, remedy: /RFC 1034/ },
  'an address beside an alias': { entries: ['{name: example.org, type: CNAME, value: a.example.net}', a], code: 'E_DNS_CNAME_CONFLICT', at: '192', message: /A 192\.0\.2\.1 beside CNAME a\.example\.net\./, remedy: /instead/ },
  'two aliases': { entries: ['{name: a.example.org, type: CNAME, value: b.example.org}', '{name: a.example.org, type: CNAME, value: c.example.org}'], code: 'E_DNS_CNAME_CONFLICT', at: 'c.example.org', message: /beside CNAME b/, remedy: /alias/ },
  'an alias of itself': { entries: ['{name: a.example.org, type: CNAME, value: a.example.org}'], code: 'E_DNS_CNAME_CONFLICT', at: 'a.example.org}', message: /leads back to itself/, remedy: /end at a name/ },
  'two TTLs of one set': { entries: [a, '{name: example.org, type: A, value: 192.0.2.2, ttl: 60}'], code: 'E_DNS_TTL_CONFLICT', at: '192', message: /the TTL 60 here and 3600 above/, remedy: /RFC 2181/ },
  'a service at an alias': { entries: ['{name: a.example.org, type: CNAME, value: b.example.org}', '{name: _a._tcp.example.org, type: SRV, value: 0 5 5222 a.example.org}'], code: 'E_DNS_ALIAS_TARGET', at: '0 5', message: /points to 'a\.example\.org', which is an alias of 'b\.example\.org'/, remedy: /write 'b\.example\.org'/ },
  'a variable that is not there': { entries: ["{name: example.org, type: A, value: '{{ adress }}'}"], code: 'E_UNDEFINED_VARIABLE', at: "'{{", message: /'adress'/, remedy: /.+/ },
  'a secret': { entries: ["{name: example.org, type: TXT, value: '{{ npm_token }}'}"], code: 'E_SECRET_IN_TEMPLATE', at: "'{{", message: /'npm_token'/, remedy: /secret_file/ },
};

for (const [title, { entries, code, at, message, remedy }] of Object.entries(refused)) {
  test(`refuses ${title}`, async (t) => {
    const recipe = recipeWith(...entries);
    const last = recipe.lastIndexOf(`  - ${entries.at(-1) ?? ''}`);
    const offset = recipe.indexOf(at, last);
    t.true(offset > 0, 'the case names a text that is there');
    const lines = recipe.slice(0, offset).split('\n');
    const files = { 'prose-ship.yaml': `${site}secrets: {npm_token: {env: NPM_TOKEN}}\n`, 'static-web/recipe.yaml': recipe };
    const problems = await problemsOf(t, files);
    t.deepEqual(problems.map((problem) => [problem.code, problem.at]), [[code, `static-web/recipe.yaml:${lines.length}:${(lines.at(-1) ?? '').length + 1}`]]);
    t.regex(problems[0]?.message ?? '', message);
    t.regex(problems[0]?.remedy ?? '', remedy);
  });
}

test('every mistake at once', async (t) => {
  const recipe = recipeWith('{name: example.org, type: A, value: x.example.org}', '{name: example.org, type: SRV, value: 0 5 1 x.example.org}', "{name: a b, type: A, value: '1'}");
  const problems = await problemsOf(t, { 'prose-ship.yaml': site, 'static-web/recipe.yaml': recipe });
  t.deepEqual(problems.map(({ code }) => code), ['E_BAD_RECORD', 'E_BAD_DOMAIN', 'E_BAD_DOMAIN', 'E_BAD_RECORD']);
});

test('the recipe prosody: addresses and group chats as the site has them', async (t) => {
  const names = async (variables: string) => (await recordsOf(t, { 'prose-ship.yaml': `${goodSite}variables: {${variables}}\n` })).map(shown);
  t.deepEqual(await names(''), [
    '_xmpp-client._tcp.example.org 3600 SRV 0 5 5222 example.org.',
    '_xmpp-server._tcp.example.org 3600 SRV 0 5 5269 example.org.',
    '_xmpp-server._tcp.groups.example.org 3600 SRV 0 5 5269 example.org.',
  ]);
  t.deepEqual(await names("ipv4: 203.0.113.7, ipv6: '2001:db8::7', host_name: chat.example.org, client_port: 5333, federation: false"), [
    'chat.example.org 600 A 203.0.113.7',
    'chat.example.org 600 AAAA 2001:db8::7',
    '_xmpp-client._tcp.example.org 3600 SRV 0 5 5333 chat.example.org.',
  ]);
  t.false((await names('rooms: false')).join('\n').includes('groups'));
  const problems = await problemsOf(t, { 'prose-ship.yaml': `${goodSite}variables: {ipv4: 203.0.113.256, ipv6: chat.example.org}\n` });
  t.deepEqual(problems.map(({ code, at }) => [code, at]), [['E_BAD_VALUE', 'prose-ship.yaml:6:19'], ['E_BAD_VALUE', 'prose-ship.yaml:6:40']]);
});
