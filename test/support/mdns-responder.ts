/**
 * A stand-in for what a Raspberry Pi answers to multicast DNS, where Avahi would not say it: names that are taken, damaged
 * packets, addresses of other networks. Usage: mdns-responder.ts INTERFACE-ADDRESS NAME ADDRESS[,ADDRESS] [garbage]
 */
import dgram from 'node:dgram';
import createMulticastDns from 'multicast-dns';

const [own = '', name = '', addresses = '', garbage] = process.argv.slice(2);
const responder = createMulticastDns({ interface: own, bind: '0.0.0.0' });
const raw = dgram.createSocket({ type: 'udp4', reuseAddr: true });
raw.bind(5353, '0.0.0.0', () => raw.setMulticastInterface(own));
const damaged = [
  Buffer.alloc(0),
  Buffer.from('not DNS at all'),
  Buffer.from('000084000000ffff00000000', 'hex'), // tells of 65535 answers and holds none
  Buffer.from('0000840000000001000000000172c00cc00c', 'hex'), // a name that points to itself
  Buffer.concat([Buffer.from('000084000000000100000000', 'hex'), Buffer.from([63]), Buffer.from('short')]),
  Buffer.alloc(9000, 0xff),
];
responder.on('query', (query) => {
  if (garbage) for (const packet of damaged) raw.send(packet, 5353, '224.0.0.251', () => {});
  if (!(query.questions ?? []).some((question) => question.name === name)) return;
  responder.respond(addresses.split(',').map((data) => ({ name, type: 'A' as const, ttl: 120, data })));
});
responder.on('ready', () => process.stdout.write('ready\n'));
