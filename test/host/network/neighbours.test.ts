import test from 'ava';
import { neighbourCommand, normaliseMac, parseArp, parseIpNeighbours } from '../../../src/host/network/neighbours.ts';

// Captured: iproute2 6.1.0, `ip -json neighbour show`.
const ipOutput = `[{"dst":"192.168.1.1","dev":"eth0","lladdr":"00:1b:21:aa:bb:cc","state":["REACHABLE"]},
  {"dst":"192.168.1.23","dev":"eth0","lladdr":"b8:27:eb:12:34:56","state":["STALE"]},
  {"dst":"192.168.1.77","dev":"eth0","state":["FAILED"]},{"dst":"192.168.1.78","dev":"eth0","state":["INCOMPLETE"]},
  {"dst":"224.0.0.251","dev":"eth0","lladdr":"01:00:5e:00:00:fb","state":["NOARP"]},
  {"dst":"fe80::ba27:ebff:fe12:3456","dev":"eth0","lladdr":"b8:27:eb:12:34:56","router":null,"state":["DELAY"]}]`;

test('iproute2: neighbours that answered, of both families', (t) => {
  t.deepEqual(parseIpNeighbours(ipOutput), [
    { address: '192.168.1.1', mac: '00:1b:21:aa:bb:cc', interface: 'eth0' },
    { address: '192.168.1.23', mac: 'b8:27:eb:12:34:56', interface: 'eth0' },
    { address: 'fe80::ba27:ebff:fe12:3456', mac: 'b8:27:eb:12:34:56', interface: 'eth0' },
  ]);
  t.deepEqual(parseIpNeighbours(''), []); // iproute2 prints nothing for an empty table
  t.deepEqual(parseIpNeighbours('[ ]\n'), []);
});

// In the form of macOS's arp(8), which leaves leading zeros out.
const arpOutput = `? (192.168.1.1) at 0:1b:21:aa:bb:c on en0 ifscope [ethernet]
raspberrypi.lan (192.168.1.23) at b8:27:eb:12:34:56 on en0 ifscope [ethernet]
? (192.168.1.77) at (incomplete) on en0 ifscope [ethernet]
? (192.168.1.255) at ff:ff:ff:ff:ff:ff on en0 ifscope [ethernet]
? (224.0.0.251) at 1:0:5e:0:0:fb on en0 ifscope permanent [ethernet]
`;

test('arp of macOS: single devices only, two digits a byte', (t) => {
  t.deepEqual(parseArp(arpOutput), [
    { address: '192.168.1.1', mac: '00:1b:21:aa:bb:0c', interface: 'en0' },
    { address: '192.168.1.23', mac: 'b8:27:eb:12:34:56', interface: 'en0' },
  ]);
});

test('a MAC address is six bytes of one device', (t) => {
  t.is(normaliseMac('DC-A6-32-00-0F-1'), 'dc:a6:32:00:0f:01');
  for (const text of ['', '00:00:00:00:00:00', 'b8:27:eb:12:34', 'b8:27:eb:12:34:567', '33:33:00:00:00:fb', 'b8:27:eb:12:34:5g']) t.is(normaliseMac(text), undefined, text);
});

test('what is run', (t) => {
  t.deepEqual(neighbourCommand('linux'), { program: 'ip', args: ['-json', 'neighbour', 'show'] });
  t.deepEqual(neighbourCommand('darwin'), { program: 'arp', args: ['-an'] });
});
