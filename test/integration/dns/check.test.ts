import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { DnsFinding } from '../../../src/ship/dns/check.ts';
import { entry, errorCode, node, type CommandLineResult } from '../../support/command-line.ts';
import type { Machine } from '../../support/hosts/lan.ts';
import { printed, setResolver, startDnsmasq, startMachine, startNamed, startSilence } from './name-servers.ts';

const named = '127.0.0.1';
const silence = '127.0.0.8';
const addresses = "ipv4: 203.0.113.7, ipv6: '2001:db8::7'";
const long = 'x'.repeat(1500);

let machine: Machine;

/** A site of the recipe prosody for the domain. */
async function writeSite(domain: string, variables = addresses): Promise<string> {
  const file = path.join(machine.directory, `${domain}.yaml`);
  await writeFile(file, `schema: 1\nname: demo\nversion: 1.0.0\nrecipe: prosody\ndomain: ${domain}\nvariables: {${variables}}\n`);
  return file;
}

/** A site whose recipe names records of every type; a long text only where it is wanted. */
async function writeManySite(domain: string, isLong: boolean): Promise<string> {
  const fixture = path.resolve(import.meta.dirname, '../../fixtures/site/static-web');
  const recipe = path.join(machine.directory, 'many');
  await cp(fixture, recipe, { recursive: true });
  const records = [
    "{name: '{{ site.domain }}', type: A, value: [203.0.113.7, 203.0.113.8], ttl: 600}",
    "{name: '{{ site.domain }}', type: AAAA, value: '2001:DB8::7'}",
    "{name: 'www.{{ site.domain }}', type: CNAME, value: '{{ site.domain }}', purpose: The page}",
    "{name: '_imaps._tcp.{{ site.domain }}', type: SRV, value: ['0 5 993 {{ site.domain }}', '10 5 1993 {{ site.domain }}']}",
    "{name: '_pop3._tcp.{{ site.domain }}', type: SRV, value: 0 0 0 .}",
    `{name: '_note.{{ site.domain }}', type: TXT, value: ['say "é", \\ and; more', v=1]}`,
    `{name: '_long.{{ site.domain }}', type: TXT, value: '{% if compress %}${long}{% endif %}'}`,
    `{name: '{{ site.domain }}', type: CAA, value: ['0 issue "letsencrypt.org; validationmethods=dns-01"', 128 iodef mailto:a@example.org]}`,
  ];
  await writeFile(path.join(recipe, 'recipe.yaml'), `${await readFile(path.join(fixture, 'recipe.yaml'), 'utf8')}dns:\n${records.map((record) => `  - ${record}\n`).join('')}`);
  const file = path.join(machine.directory, `${domain}.yaml`);
  await writeFile(file, `schema: 1\nname: many\nversion: 1.0.0\nrecipe: ./many\ndomain: ${domain}\nvariables: {title: Hello, compress: ${isLong}}\n`);
  return file;
}

const authority = '$TTL 60\n@ IN SOA ns1.elsewhere.test. hostmaster 1 3600 600 86400 60\n@ IN NS ns1.elsewhere.test.\n';
const services = (target: string) => `_xmpp-client._tcp IN SRV 0 5 5222 ${target}\n_xmpp-server._tcp IN SRV 0 5 5269 ${target}\n_xmpp-server._tcp.groups IN SRV 0 5 5269 ${target}\n`;

/** What can go wrong at a provider, by domain. */
const zones: Readonly<Record<string, string>> = {
  'stale.test': `${authority}@ IN A 203.0.113.9\n@ IN AAAA 2001:db8::7\n_xmpp-client._tcp IN SRV 0 5 5223 old.elsewhere.test.\n_xmpp-server._tcp IN SRV 0 5 5269 @\n_xmpp-server._tcp IN SRV 10 5 5269 old.elsewhere.test.\n`,
  'family.test': `${authority}@ IN A 203.0.113.7\n@ IN AAAA 2001:db8::dead\n${services('@')}`,
  'nowhere.test': `${authority}${services('@')}`,
  'empty.test': authority,
  'alias.test': `${authority}chat IN CNAME box\nbox IN A 203.0.113.7\nbox IN AAAA 2001:db8::7\n${services('chat')}`,
  'wrong-alias.test': `${authority}chat IN CNAME box\nbox IN A 203.0.113.9\n${services('chat')}`,
  'away.test': `${authority}chat IN CNAME box.elsewhere.test.\n${services('chat')}`,
  'broken.test': `${authority}@ IN A 203.0.113.777\n`,
};

test.before(async () => {
  machine = await startMachine('resolver');
  const many = await writeManySite('many.test', true);
  const good = await writeSite('good.test');
  const fragment = path.join(machine.directory, 'good.fragment');
  await writeFile(fragment, await printed(good, ['--format', 'bind']));
  await startNamed(machine, named, {
    ...zones,
    'many.test': await printed(many, ['--format', 'bind', '--name-server', 'ns1.elsewhere.test']),
    'good.test': `${authority}$INCLUDE ${fragment}\n`,
  });
});

test.after.always(async () => machine.end());

const check = (file: string, ...words: readonly string[]) => machine.proseShip(['dns', '--check', '--config', file, ...words]);
const findings = ({ result }: CommandLineResult) => result['findings'] as readonly DnsFinding[];
const states = (result: CommandLineResult) => findings(result).map(({ type, name, state }) => `${state} ${type} ${name}`);
const errorOf = ({ result }: CommandLineResult) => result['error'] as { readonly message: string; readonly remedy: string; readonly output?: string };
const warnings = ({ result }: CommandLineResult) => (result['warnings'] as readonly { readonly code: string; readonly message: string }[]).map(({ code, message }) => `${code}: ${message}`);

function isGood(t: ExecutionContext, result: CommandLineResult, count: number): void {
  t.is(result.exitCode, 0, result.stderr);
  t.like(result.result, { ok: true, warnings: [] });
  t.deepEqual(states(result).filter((state) => !state.startsWith('ok ')), []);
  t.is(findings(result).length, count);
}

test.serial('named-checkzone takes the whole zone, and the fragment inside another one', async (t) => {
  for (const zone of ['many.test', 'good.test']) {
    const { exitCode, stdout } = await machine.exec(['named-checkzone', '-i', 'local', '-k', 'fail', '-S', 'fail', zone, path.join(machine.directory, `${zone}.zone`)]);
    t.is(exitCode, 0, stdout);
    t.regex(stdout, /OK$/);
    t.notRegex(stdout, /warning|ignoring/i);
  }
});

test.serial('BIND answers with what was printed: every type, asked directly and as the resolver of this machine', async (t) => {
  const many = path.join(machine.directory, 'many.test.yaml');
  const result = await check(many, '--server', named);
  isGood(t, result, 8);
  // More than a packet holds: it was fetched by TCP.
  t.deepEqual(findings(result).find(({ name }) => name === '_long.many.test')?.found, [(long.match(/.{1,255}/g) ?? []).map((part) => `"${part}"`).join(' ')]);
  isGood(t, await check(await writeSite('good.test'), '--server', `${named}:53`), 5);
  await setResolver(machine, named);
  const own = await check(await writeSite('good.test'));
  isGood(t, own, 5);
  t.is(own.result['server'], `the resolver of this machine (${named})`);
});

test.serial('dnsmasq answers with its own configuration, and passes on what BIND says', async (t) => {
  const good = await writeSite('good.test');
  const short = await writeManySite('short.test', false);
  await startDnsmasq(machine, '127.0.0.2', `local=/test/\n${await printed(good, ['--format', 'dnsmasq'])}${await printed(short, ['--format', 'dnsmasq'])}`);
  isGood(t, await check(good, '--server', '127.0.0.2'), 5);
  isGood(t, await check(short, '--server', '127.0.0.2'), 7);
  await startDnsmasq(machine, '127.0.0.3', `server=/test/${named}\n`);
  isGood(t, await check(good, '--server', '127.0.0.3'), 5);
  isGood(t, await check(good, '--server', '127.0.0.3'), 5); // now from its cache
});

test.serial('what is stale, missing or too much is told with what is wanted, all of it at once', async (t) => {
  const result = await check(await writeSite('stale.test'), '--server', named);
  t.is(result.exitCode, 1);
  t.is(errorCode(result), 'E_DNS_MISMATCH');
  t.deepEqual(states(result), [
    'mismatch A stale.test',
    'ok AAAA stale.test',
    'mismatch SRV _xmpp-client._tcp.stale.test',
    'mismatch SRV _xmpp-server._tcp.stale.test',
    'missing SRV _xmpp-server._tcp.groups.stale.test',
  ]);
  const { message, output, remedy } = errorOf(result);
  t.is(message, '4 of 5 answers of 127.0.0.1 are not as wanted');
  t.deepEqual(output?.split('\n'), [
    'A stale.test: wanted 203.0.113.7, found 203.0.113.9 (E_DNS_MISMATCH)',
    'SRV _xmpp-client._tcp.stale.test: wanted 0 5 5222 stale.test., found 0 5 5223 old.elsewhere.test. (E_DNS_MISMATCH)',
    'SRV _xmpp-server._tcp.stale.test: wanted 0 5 5269 stale.test., found 0 5 5269 stale.test., 10 5 5269 old.elsewhere.test. (E_DNS_MISMATCH)',
    'SRV _xmpp-server._tcp.groups.stale.test: wanted 0 5 5269 stale.test., found nothing (the name does not exist) (E_DNS_MISSING)',
  ]);
  t.deepEqual(remedy.split('\n').slice(0, -1), [
    'Add     stale.test. 600 IN A 203.0.113.7',
    'Remove  stale.test. IN A 203.0.113.9',
    'Add     _xmpp-client._tcp.stale.test. 3600 IN SRV 0 5 5222 stale.test.',
    'Remove  _xmpp-client._tcp.stale.test. IN SRV 0 5 5223 old.elsewhere.test.',
    'Remove  _xmpp-server._tcp.stale.test. IN SRV 10 5 5269 old.elsewhere.test.',
    'Add     _xmpp-server._tcp.groups.stale.test. 3600 IN SRV 0 5 5269 stale.test.',
  ]);
});

test.serial('people read the same without --json; standard output has a line for each answer', async (t) => {
  const file = await writeSite('stale.test');
  const { exitCode, stdout, stderr } = await machine.exec(['env', 'CI=1', 'NO_COLOR=1', node, entry, 'dns', '--check', '--server', named, '--config', file]);
  t.is(exitCode, 1);
  t.is(stdout.split('\n')[1], 'ok        AAAA stale.test: wanted 2001:db8::7, found 2001:db8::7');
  t.is(stdout.trimEnd().split('\n').length, 5);
  t.regex(stderr, /error: 4 of 5 answers of 127\.0\.0\.1 are not as wanted \(E_DNS_MISMATCH\)/);
});

test.serial('an AAAA that the site gives and the DNS lacks; one that only the DNS has', async (t) => {
  const lacks = await check(await writeSite('family.test'), '--server', named);
  t.is(errorOf(lacks).message, 'AAAA family.test: wanted 2001:db8::7, found 2001:db8::dead');
  const extra = await check(await writeSite('family.test', 'ipv4: 203.0.113.7'), '--server', named);
  t.is(extra.exitCode, 0, extra.stderr);
  t.deepEqual(warnings(extra), ['E_DNS_EXTRA_ADDRESS: family.test also has AAAA 2001:db8::dead, which the site does not name']);
});

test.serial('private addresses are warned of, services without a host are missing', async (t) => {
  const file = await writeSite('nowhere.test', 'ipv4: 192.168.1.7');
  const one = await check(file, '--server', named);
  t.is(errorCode(one), 'E_DNS_MISSING');
  t.is(errorOf(one).message, 'A nowhere.test: wanted 192.168.1.7, found nothing (the name has other records only)');
  t.deepEqual(warnings(one), ['E_DNS_PRIVATE: A nowhere.test is 192.168.1.7, which only its own network reaches']);
  const none = await check(await writeSite('nowhere.test', ''), '--server', named);
  t.is(errorOf(none).message, 'A nowhere.test: wanted any address, found nothing (records of the site point to it)');
  t.regex(errorOf(none).remedy, /^Give nowhere\.test an address \(A, AAAA\)\.\n/);
});

test.serial('an alias that ends at the right address will do, another one is named', async (t) => {
  const right = await check(await writeSite('alias.test', `${addresses}, host_name: chat.alias.test`), '--server', named);
  t.is(right.exitCode, 0, right.stderr);
  const wrong = await check(await writeSite('wrong-alias.test', 'ipv4: 203.0.113.7, host_name: chat.wrong-alias.test'), '--server', named);
  t.is(errorOf(wrong).message, 'A chat.wrong-alias.test: wanted 203.0.113.7, found 203.0.113.9 (an alias of box.wrong-alias.test)');
});

test.serial('an alias into a zone that the server does not know; a resolver does', async (t) => {
  const file = await writeSite('away.test', 'ipv4: 203.0.113.7, host_name: chat.away.test');
  const refused = await check(file, '--server', named);
  t.is(errorCode(refused), 'E_DNS_FAILED');
  t.is(errorOf(refused).message, 'A chat.away.test: wanted 203.0.113.7, found nothing (an alias of box.elsewhere.test, the server answers REFUSED)');
  await startDnsmasq(machine, '127.0.0.4', `server=/test/${named}\nlocal=/elsewhere.test/\nhost-record=box.elsewhere.test,203.0.113.7\n`);
  const resolved = await check(file, '--server', '127.0.0.4');
  t.is(resolved.exitCode, 0, resolved.stderr);
  t.is(findings(resolved)[0]?.note, 'an alias of box.elsewhere.test');
});

test.serial('addresses in place of a wanted alias: those of its target, and others', async (t) => {
  const many = path.join(machine.directory, 'many.test.yaml');
  const zone = await printed(many, ['--format', 'bind', '--name-server', 'ns1.elsewhere.test']);
  const alias = /^www .*CNAME.*\n/m;
  const flat = zone.replace(alias, 'www 60 IN A 203.0.113.7\nwww 60 IN A 203.0.113.8\nwww 60 IN AAAA 2001:db8::7\n');
  await startNamed(machine, '127.0.0.5', { 'many.test': flat });
  const same = await check(many, '--server', '127.0.0.5');
  isGood(t, same, 8);
  t.is(findings(same).find(({ type }) => type === 'CNAME')?.note, 'no alias, but the same addresses: 203.0.113.7, 203.0.113.8, 2001:db8::7');
  await startNamed(machine, '127.0.0.6', { 'many.test': zone.replace(alias, 'www 60 IN A 203.0.113.9\n').replaceAll('v=1', 'v=2').replace('letsencrypt.org', 'ca.example') });
  const other = await check(many, '--server', '127.0.0.6');
  t.deepEqual(states(other).filter((state) => !state.startsWith('ok ')), ['mismatch CNAME www.many.test', 'mismatch TXT _note.many.test', 'mismatch CAA many.test']);
  t.regex(errorOf(other).output ?? '', /^CNAME www\.many\.test: wanted many\.test\., found nothing \(no alias, but 203\.0\.113\.9\)/);
});

test.serial('nothing at all; a server that is not responsible; a zone that it could not load', async (t) => {
  const empty = await check(await writeSite('empty.test'), '--server', named);
  t.is(empty.exitCode, 1);
  t.is(errorCode(empty), 'E_DNS_MISSING');
  t.is(states(empty).filter((state) => state.startsWith('missing ')).length, 5);
  const refused = await check(await writeSite('refused.example'), '--server', named);
  t.is(refused.exitCode, 1);
  t.is(errorCode(refused), 'E_DNS_FAILED');
  t.regex(errorOf(refused).output ?? '', /^A refused\.example: wanted 203\.0\.113\.7, found nothing \(the server answers REFUSED\)/);
  const broken = await check(await writeSite('broken.test'), '--server', named);
  t.regex(errorOf(broken).output ?? '', /the server answers SERVFAIL/);
  t.regex(errorOf(broken).remedy, /ask a name server of its zone, or a resolver/);
});

test.serial('nobody listens, nobody answers, somebody has no more patience', async (t) => {
  const file = await writeSite('good.test');
  const closed = await check(file, '--server', '127.0.0.7');
  t.is(closed.exitCode, 3);
  t.is(errorCode(closed), 'E_DNS_UNREACHABLE');
  t.regex(errorOf(closed).message, /^No answer to '\w+ .*good\.test' from 127\.0\.0\.7: nothing listens there$/);
  await startSilence(machine, silence);
  const startedAt = performance.now();
  const silent = await check(file, '--server', silence);
  t.true(performance.now() - startedAt < 30_000, 'it ends by itself');
  t.is(silent.exitCode, 3);
  t.regex(errorOf(silent).message, /from 127\.0\.0\.8: it took too long$/);
  t.regex(errorOf(silent).remedy, /--server ADDRESS/);
  const stderr = path.join(machine.directory, 'stderr');
  const { exitCode } = await machine.exec(`CI=1 '${node}' '${entry}' dns --check --server ${silence} --config '${file}' 2>'${stderr}' & child=$!
    while kill -0 $child && ! grep -q '^> Ask' '${stderr}'; do sleep 0.05; done
    kill -TERM $child
    wait $child`);
  t.is(exitCode, 130);
  t.regex(await readFile(stderr, 'utf8'), /error: Interrupted \(E_INTERRUPTED\)/);
});
