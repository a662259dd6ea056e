import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createContext } from '../../../src/context.ts';
import type { ShipEvent } from '../../../src/events.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { goodSite, problemsOf, temporarySite } from '../temporary-site.ts';

function site(profile: string, variables: readonly string[], more = ''): Record<string, string> {
  return { 'prose-ship.yaml': `${goodSite}profile: ${profile}\nvariables:\n${variables.map((line) => `  ${line}\n`).join('')}${more}` };
}

const named = ['admins: [anna@example.org]', "contact: ['mailto:admin@example.org']"];
const home = ['admins: [anna@example.org]'];
const open = [...named, 'ipv4: 203.0.113.7'];

/** Profile, values, and the beginning of what is said about them. */
const refused: readonly (readonly [string, readonly string[], string])[] = [
  ['public', [...named, 'ipv4: 192.168.1.4', 'turn: false'], '192.168.1.4 is a private address, which nobody'],
  ['public', [...open, "ipv6: 'fd00::7'"], 'fd00::7 is a private address, which nobody'],
  ['public', [...named, "ipv6: '2001:db8::7'"], 'Calls cannot be relayed without a public IPv4 address'],
  ['public', [...open, 'web: false'], '`uploads` needs `web`'],
  ['public', [...open, 'certificates: self-signed'], '`web` needs certificates that browsers trust'],
  ['public', [...open, 'turn_first_port: 50000', 'turn_last_port: 49000'], 'The ports of relayed calls end at 49000, before they begin at 50000'],
  ['public', [...open, 'direct_tls_port: 5222'], 'Two services would use one port, 5222'],
  ['public', [...open, 'proxy65_port: 5223'], 'Two services would use one port, 5223'],
  ['public', [...open, 'server_port: 5222'], 'Clients and other servers would use one port, 5222'],
  ['public', [...open, 'uploads_domain: groups.example.org'], 'The upload service cannot share its domain, groups.example.org'],
  ['public', [...open, 'proxy65_domain: example.org'], 'The file proxy cannot share its domain, example.org'],
  ['public', [...open, 'pubsub: true', 'pubsub_domain: proxy.example.org'], 'The publish-subscribe service cannot share its domain, proxy.example.org'],
  ['ddns', [...home, 'ddns_provider: none'], 'A host whose address changes needs a provider'],
  ['ddns', [...home, 'ddns_provider: noip'], 'The provider noip wants a user name'],
  ['ddns', [...home, 'ddns_provider: duckdns', 'host_name: home.example.org'], 'DuckDNS does not keep home.example.org'],
  ['ddns', [...home, 'ddns_provider: url'], '`ddns_provider: url` wants to know the address'],
  ['ddns', [...home, 'ddns_provider: freedns', "ddns_url: 'https://dns.example.org/'"], '`ddns_url` means nothing to the provider freedns'],
  ['ddns', [...home, 'ddns_provider: freedns', 'ipv4: 203.0.113.7'], 'The address of example.org changes, and `ipv4` or `ipv6` says'],
  ['ddns', [...home, 'ddns_provider: freedns', 'registration: open'], 'A server at home takes only accounts that were invited'],
  ['public', [...open, 'certificate_challenge: dns-01'], '`certificate_challenge: dns-01` wants to know how a record comes into the DNS'],
  ['public', [...open, 'web: false', 'uploads: false', 'certificates: self-signed', 'certificate_challenge: dns-01', 'challenge_command: /usr/local/sbin/own-dns'], '`certificate_challenge: dns-01` means nothing to `certificates: self-signed`'],
  ['public', [...open, 'certificate_challenge: dns-01', "challenge_url: 'https://dns.example.org/NAME/VALUE/TOKEN'"], '`challenge_url` wants a token'],
  ['public', [...open, 'certificate_challenge: dns-01', "challenge_url: 'https://dns.example.org/NAME/VALUE'", 'challenge_command: /usr/local/sbin/own-dns'], '`challenge_url` and `challenge_command` are two ways'],
  ['public', [...open, 'certificate_challenge: dns-01', "challenge_clear_url: 'https://dns.example.org/NAME'", 'challenge_command: /usr/local/sbin/own-dns'], '`challenge_clear_url` means nothing without `challenge_url`'],
  ['public', [...open, 'challenge_command: /usr/local/sbin/own-dns'], '`challenge_url` and `challenge_command` mean nothing to `certificate_challenge: http-01`'],
  ['ddns', [...home, 'ddns_provider: duckdns', 'host_name: family.duckdns.org', 'certificate_challenge: dns-01'], 'DuckDNS keeps records of family.duckdns.org, not of example.org'],
  ['intranet', [...home, 'ipv4: 192.168.1.4', 'federation: true'], 'A network without the internet has no other servers'],
  ['intranet', [...home, 'ipv4: 192.168.1.4', 'certificates: letsencrypt'], "Let's Encrypt does not reach a network without the internet"],
  ['intranet', [...home, 'ipv4: 192.168.1.4', 'web: false'], '`uploads` needs `web`'],
  ['basic', ['rooms_domain: example.org'], 'The group chats cannot have the domain of the accounts, example.org'],
  ['basic', ['database_host: db.example.org'], '`database_host` means nothing to the storage internal'],
  ['basic', ['registration: open'], 'Nobody would be told of new accounts'],
];

for (const [profile, variables, told] of refused) {
  test(`${profile} with ${variables.slice(-2).join(', ')} is refused`, async (t) => {
    const problems = await problemsOf(t, site(profile, variables, profile === 'ddns' ? 'secrets: {ddns_token: {env: TOKEN}}\n' : ''));
    t.deepEqual(problems.map(({ code, at }) => [code, at]), [['E_RULE', 'prose-ship.yaml:7:1']]);
    t.true(problems[0]?.message.startsWith(told), problems[0]?.message);
    t.not(problems[0]?.remedy, '');
  });
}

test('a PostgreSQL server elsewhere needs a password; without one a database comes with the release', async (t) => {
  const elsewhere = site('public', [...open, 'storage: postgresql', 'database_host: db.example.org']);
  const problems = await problemsOf(t, elsewhere);
  t.deepEqual(problems.map(({ message }) => message), ['The PostgreSQL server db.example.org wants a password']);
  const components = async (files: Readonly<Record<string, string>>) => (await load(t, files)).deployment.recipe.components.map(({ name }) => name);
  t.deepEqual(await components({ 'prose-ship.yaml': `${elsewhere['prose-ship.yaml']!}secrets: {database_password: {env: PASSWORD}}\n` }), ['server']);
  t.deepEqual(await components(site('public', [...open, 'storage: postgresql'])), ['server', 'database']);
});

test('everything that a public server must tell is asked at once', async (t) => {
  const problems = await problemsOf(t, { 'prose-ship.yaml': `${goodSite}profile: public\n` });
  t.deepEqual(problems.map(({ code, message }) => [code, /'(\w+)'/.exec(message)?.[1]]), [['E_MISSING_VALUE', 'admins'], ['E_MISSING_VALUE', 'contact']]);
});

test('a provider that nobody knows is refused, and the nearest named', async (t) => {
  const [problem] = await problemsOf(t, site('ddns', [...home, 'ddns_provider: duckdn'], 'secrets: {ddns_token: {env: TOKEN}}\n'));
  t.like(problem, { code: 'E_BAD_VALUE', at: 'prose-ship.yaml:9:18', remedy: "Did you mean 'duckdns'?" });
});

test("Let's Encrypt and a domain that is none of the internet do not go together", async (t) => {
  const files = site('basic', ['certificates: letsencrypt']);
  const [problem] = await problemsOf(t, { 'prose-ship.yaml': files['prose-ship.yaml']!.replace('example.org', 'chatserver') });
  t.like(problem, { code: 'E_RULE', message: "Let's Encrypt gives no certificate to chatserver, which is no name of the internet" });
});

test('what is doubtful is told', async (t) => {
  const abroad = await load(t, site('intranet', [...home, 'ipv4: 203.0.113.7']));
  t.deepEqual(abroad.warnings.map((text) => /203\.0\.113\.7 is an address of the internet/.test(text)), [true]);
  const { warnings } = await load(t, site('public', [...named, 'turn: false', 'registration: open']));
  t.deepEqual(warnings.map((text) => text.replace(/^.*?: /, '').split('.')[0]), [
    'Without `ipv4` and `ipv6` the DNS records of example',
    'With `registration: open` everybody can make accounts, and spammers will',
  ]);
});

test('with dns-01 no port is open for the authority, and no name needs an address for it', async (t) => {
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me';
  const facts = async (challenge: readonly string[]) => {
    const { deployment } = await load(t, site('public', [...open, 'turn: false', 'web: false', 'uploads: false', ...challenge], `os: {authorizedKeys: ['${key}']}\n`));
    const { site: { os }, recipe: { dns = [], host } } = deployment;
    return {
      port80: os?.ports.some(({ port }) => port === 80),
      aliases: dns.filter(({ data }) => data.type === 'CNAME').map(({ name }) => name),
      hook: host?.files.some(({ path: target }) => target.endsWith('-challenge')),
    };
  };
  t.deepEqual(await facts([]), { port80: true, aliases: ['groups.example.org', 'proxy.example.org'], hook: false });
  t.deepEqual(await facts(['certificate_challenge: dns-01', 'challenge_command: /usr/local/sbin/own-dns']), { port80: false, aliases: [], hook: true });
});

async function load(t: ExecutionContext, files: Readonly<Record<string, string>>) {
  const warnings: string[] = [];
  const directory = await temporarySite(t, files);
  const emit = (event: ShipEvent) => {
    if (event.type === 'log' && event.level === 'warning') warnings.push(event.message);
  };
  return { deployment: await loadDeployment(createContext({ emit }), path.join(directory, 'prose-ship.yaml')), warnings };
}
