import test from 'ava';
import { ExitStatus, ShipError } from '../../../src/errors.ts';
import { dnsmasqConfiguration } from '../../../src/ship/dns/dnsmasq.ts';
import { hostsFile } from '../../../src/ship/dns/hosts-file.ts';
import { formRows, recordRows } from '../../../src/ship/dns/record-rows.ts';
import { zoneFile } from '../../../src/ship/dns/zone-file.ts';
import { everyType, elsewhere, record } from './sample-records.ts';

const x = (count: number) => 'x'.repeat(count);

test('a fragment: names relative to the zone, others in full, a purpose once', (t) => {
  t.is(zoneFile([...everyType, elsewhere], 'example.org'), String.raw`$ORIGIN example.org.
; The host
@                    600 IN A     203.0.113.7
@                    600 IN AAAA  2001:db8::7
www                 3600 IN CNAME example.org.
; Clients
_xmpp-client._tcp   3600 IN SRV   0 5 5222 example.org.
_xmpps-client._tcp  3600 IN SRV   0 0 0 .
_note               3600 IN TXT   "a \"b\", c; d\\e \195\169"
_long               3600 IN TXT   "${x(255)}" "${x(45)}"
@                   3600 IN CAA   0 issue "letsencrypt.org; x=1"
proxy.example.net.  3600 IN A     203.0.113.8
`);
});

test('a whole zone begins with its authority', (t) => {
  t.is(zoneFile([record('chat.example.org', { type: 'A', address: '203.0.113.7' })], 'example.org', { nameServers: ['ns1.example.net', 'chat.example.org'], serial: 7 }), `$ORIGIN example.org.
@     3600 IN SOA   ns1.example.net. hostmaster.example.org. 7 86400 7200 3600000 300
@     3600 IN NS    ns1.example.net.
@     3600 IN NS    chat.example.org.
chat  3600 IN A     203.0.113.7
`);
});

test('refuses to make a zone of what is none', (t) => {
  const refuse = (records: Parameters<typeof zoneFile>[0], zone: string, server = 'ns1.example.net') => {
    const error = t.throws<ShipError>(() => zoneFile(records, zone, { nameServers: [server], serial: 1 }), { instanceOf: ShipError });
    t.is(error.exitStatus, ExitStatus.usage);
    return error;
  };
  const outside = refuse([...everyType, elsewhere, elsewhere], 'example.org');
  t.like(outside, { code: 'E_DNS_OUTSIDE_ZONE', message: "The zone 'example.org' cannot hold proxy.example.net" });
  t.regex(outside.remedy ?? '', /--zone NAME/);
  const alias = refuse([record('chat.example.org', { type: 'CNAME', target: 'a.example.net' })], 'chat.example.org');
  t.like(alias, { code: 'E_DNS_CNAME_CONFLICT', message: "The zone's own name 'chat.example.org' would be an alias: CNAME a.example.net." });
  t.regex(alias.remedy ?? '', /larger zone/);
  const glue = refuse([record('ns.example.org', { type: 'CNAME', target: 'a.example.net' })], 'example.org', 'ns.example.org');
  t.like(glue, { code: 'E_DNS_NO_GLUE', message: "The name server 'ns.example.org' stands in the zone, but has no A or AAAA record there" });
  t.regex(glue.remedy ?? '', /--name-server NAME/);
});

test("dnsmasq's configuration", (t) => {
  t.is(dnsmasqConfiguration([...everyType, elsewhere]), String.raw`# The host
host-record=example.org,203.0.113.7,600
host-record=example.org,2001:db8::7,600
cname=www.example.org,example.org,3600
# Clients
srv-host=_xmpp-client._tcp.example.org,example.org,5222,0,5
srv-host=_xmpps-client._tcp.example.org
txt-record=_note.example.org,"a \"b\", c; d\\e é"
txt-record=_long.example.org,"${x(255)}","${x(45)}"
caa-record=example.org,0,issue,"letsencrypt.org; x=1"
host-record=proxy.example.net,203.0.113.8,3600
`);
});

test('dnsmasq is not given what it would misread', (t) => {
  const refuse = (one: Parameters<typeof dnsmasqConfiguration>[0][number]) => t.throws<ShipError>(() => dnsmasqConfiguration([one]), { instanceOf: ShipError });
  const all = refuse(record('*.example.org', { type: 'A', address: '203.0.113.7' }));
  t.like(all, { code: 'E_DNS_DNSMASQ', message: "dnsmasq has no records for all names, as in A '*.example.org'", remedy: 'Let a name server read it: --format bind.', exitStatus: ExitStatus.usage });
  const long = refuse(record('a.example.org', { type: 'TXT', text: x(1000) }));
  t.like(long, { code: 'E_DNS_DNSMASQ', message: "dnsmasq reads 1024 bytes a line, and TXT 'a.example.org' takes 1036" });
});

test('a hosts file: addresses with their names, and the domain whose services run on another host', (t) => {
  t.is(hostsFile([...everyType, elsewhere]), '203.0.113.7 example.org www.example.org\n2001:db8::7 example.org www.example.org\n203.0.113.8 proxy.example.net\n');
  const service = (name: string, target: string) => record(name, { type: 'SRV', priority: 0, weight: 5, port: 5222, target });
  t.is(hostsFile([
    record('host.home', { type: 'A', address: '10.0.0.7' }),
    service('_xmpp-client._tcp.chat.home', 'host.home'),
    service('_stun._udp.chat.home', 'host.home'),
    service('_xmpp-client._tcp.away.home', 'away.example.net'),
  ]), '10.0.0.7 host.home chat.home\n');
});

test('a hosts file holds neither nothing nor everything', (t) => {
  const refuse = (...records: Parameters<typeof hostsFile>[0]) => t.throws<ShipError>(() => hostsFile(records), { instanceOf: ShipError });
  t.like(refuse(everyType[3]!), { code: 'E_DNS_HOSTS', message: 'No record has an address', exitStatus: ExitStatus.usage });
  const all = refuse(record('*.example.org', { type: 'A', address: '203.0.113.7' }));
  t.like(all, { code: 'E_DNS_HOSTS', message: "A hosts file has no entries for all names, as in A '*.example.org'", remedy: 'Let a name server read it: --format bind.' });
});

test('rows for a form, and for programs', (t) => {
  const rows = formRows([...everyType.slice(0, 4), ...everyType.slice(5, 6), elsewhere], 'org');
  t.deepEqual(rows, [
    ['example', 'A', '600', '203.0.113.7', 'The host'],
    ['example', 'AAAA', '600', '2001:db8::7', 'The host'],
    ['www.example', 'CNAME', '3600', 'example.org.', ''],
    ['_xmpp-client._tcp.example', 'SRV', '3600', '0 5 5222 example.org.', 'Clients'],
    ['_note.example', 'TXT', '3600', String.raw`a "b", c; d\e é`, ''],
    ['proxy.example.net.', 'A', '3600', '203.0.113.8', ''],
  ]);
  t.deepEqual(recordRows(everyType.slice(3, 5)), [
    { name: '_xmpp-client._tcp.example.org', type: 'SRV', ttl: 3600, data: '0 5 5222 example.org.', purpose: 'Clients' },
    { name: '_xmpps-client._tcp.example.org', type: 'SRV', ttl: 3600, data: '0 0 0 .' },
  ]);
});
