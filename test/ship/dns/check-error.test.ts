import test from 'ava';
import type { DnsFinding } from '../../../src/ship/dns/check.ts';
import { checkError } from '../../../src/ship/dns/check-error.ts';
import { namesWithoutAddress, privateAddresses, unaddressedTargets } from '../../../src/ship/dns/warnings.ts';
import { everyType, record } from './sample-records.ts';

const good: DnsFinding = { name: 'example.org', type: 'A', wanted: ['203.0.113.7'], found: ['203.0.113.7'], state: 'ok' };
const wrong: DnsFinding = { name: '_xmpp-client._tcp.example.org', type: 'SRV', wanted: ['0 5 5222 example.org.'], found: ['0 5 5222 old.example.net.'], state: 'mismatch' };
const missing: DnsFinding = { name: 'example.org', type: 'AAAA', wanted: ['2001:db8::7'], found: [], state: 'missing', note: 'the name does not exist' };

test('nothing wrong is no error', (t) => {
  t.is(checkError([good], 'x', everyType, {}), undefined);
});

test('one mistake is the error; wanted, found, and what to do', (t) => {
  const error = checkError([good, wrong], '192.0.2.53', everyType, { server: 'x' });
  t.like(error, {
    code: 'E_DNS_MISMATCH',
    message: 'SRV _xmpp-client._tcp.example.org: wanted 0 5 5222 example.org., found 0 5 5222 old.example.net.',
    exitStatus: 1,
    result: { server: 'x' },
  });
  t.deepEqual(error?.remedy?.split('\n').slice(0, 2), [
    'Add     _xmpp-client._tcp.example.org. 3600 IN SRV 0 5 5222 example.org.',
    'Remove  _xmpp-client._tcp.example.org. IN SRV 0 5 5222 old.example.net.',
  ]);
});

test('several are told together, under the worst', (t) => {
  const error = checkError([missing, wrong, good], '192.0.2.53', everyType, {});
  t.like(error, {
    code: 'E_DNS_MISMATCH',
    message: '2 of 3 answers of 192.0.2.53 are not as wanted',
    output: 'AAAA example.org: wanted 2001:db8::7, found nothing (the name does not exist) (E_DNS_MISSING)\nSRV _xmpp-client._tcp.example.org: wanted 0 5 5222 example.org., found 0 5 5222 old.example.net. (E_DNS_MISMATCH)',
  });
  t.regex(error?.remedy ?? '', /^Add {5}example\.org\. 600 IN AAAA 2001:db8::7\n/);
  t.like(checkError([missing], 'x', everyType, {}), { code: 'E_DNS_MISSING' });
  t.regex(checkError([missing], 'x', everyType, {})?.remedy ?? '', /--server NAME/);
});

test('a server that does not answer the question', (t) => {
  const error = checkError([{ ...missing, state: 'failed', note: 'the server answers REFUSED' }], 'x', everyType, {});
  t.like(error, { code: 'E_DNS_FAILED', message: 'AAAA example.org: wanted 2001:db8::7, found nothing (the server answers REFUSED)', exitStatus: 1 });
  t.is(error?.remedy, 'AAAA example.org was not answered: ask a name server of its zone, or a resolver, with --server ADDRESS.');
});

test('texts of others beside ours are left alone', (t) => {
  const [text] = everyType.filter(({ data }) => data.type === 'TXT');
  const error = checkError([{ name: text?.name ?? '', type: 'TXT', wanted: [text?.text ?? ''], found: ['"v=spf1 -all"'], state: 'mismatch' }], 'x', everyType, {});
  t.regex(error?.remedy ?? '', /^Add {5}_note/);
  t.false(error?.remedy?.includes('Remove'));
});

test('warns of addresses that only one network reaches', (t) => {
  const codes = (address: string) => privateAddresses([record('example.org', { type: address.includes(':') ? 'AAAA' : 'A', address })]).map(({ code }) => code);
  for (const address of ['10.1.2.3', '192.168.1.2', '172.31.0.1', '100.64.0.1', '169.254.1.1', '127.0.0.1', '0.0.0.0', '::', '::1', 'fd00::1', 'fe80::1', 'febf::1']) t.deepEqual(codes(address), ['E_DNS_PRIVATE'], address);
  for (const address of ['203.0.113.7', '172.32.0.1', '100.128.0.1', '9.9.9.9', '2001:db8::7', 'fec0::1', '::2']) t.deepEqual(codes(address), [], address);
  const [warning] = privateAddresses([record('example.org', { type: 'A', address: '192.168.1.2' })]);
  t.is(warning?.message, 'A example.org is 192.168.1.2, which only its own network reaches');
  t.regex(warning?.remedy ?? '', /router/);
});

test('warns of names of the site without an address', (t) => {
  const services = everyType.filter(({ data }) => data.type === 'SRV');
  const away = record('a.example.org', { type: 'CNAME', target: 'b.example.net' });
  t.deepEqual(unaddressedTargets([...services, away]), ['example.org', 'b.example.net']);
  t.deepEqual(namesWithoutAddress([...services, away], 'example.org').map(({ code, message }) => [code, message]), [['E_DNS_NO_ADDRESS', "Records point to 'example.org', and none says which address that has"]]);
  t.deepEqual(namesWithoutAddress(everyType, 'example.org'), []);
});
