import test from 'ava';
import { gateVerdict, parseStatus } from '../../../src/bake/boot/gate.ts';

const tab = (...lines: string[][]) => lines.map((line) => `${line.join('\t')}\n`).join('');

test('a committed release whose containers are well is healthy', (t) => {
  const status = parseStatus(
    tab(['format', '1'], ['current', '1.0.0-a'], ['journal', 'committed', '1.0.0-a'], ['container', 'server', 'running', 'healthy', '0'], ['container', 'web', 'running', '-', '0'], ['audit', '17', 'x'], ['news', '?']),
  );
  t.deepEqual(status, {
    currentId: '1.0.0-a',
    journal: { state: 'committed', id: '1.0.0-a' },
    containers: [
      { service: 'server', state: 'running', health: 'healthy' },
      { service: 'web', state: 'running' },
    ],
    audit: ['17\tx'],
  });
  t.deepEqual(gateVerdict(status), { kind: 'healthy', releaseId: '1.0.0-a' });
});

for (const [title, lines, verdict] of [
  ['a first boot under way', [['journal', 'loaded', 'r'], ['under-way', 'synced']], { kind: 'waiting', reason: "release r is on its way to 'synced'" }],
  ['a first install that was given up', [['journal', 'rolled-back', 'r']], { kind: 'failed', reason: 'release r was rolled back' }],
  ['an upload that was refused', [['journal', 'uploaded', 'r']], { kind: 'failed', reason: "release r stays 'uploaded'" }],
  ['a card without a release', [], { kind: 'failed', reason: 'the card holds no release' }],
  ['a container that starts', [['current', 'r'], ['container', 's', 'running', 'starting', '0']], { kind: 'waiting', reason: 's is starting' }],
  ['a one-shot service that ended well', [['current', 'r'], ['container', 'm', 'completed', '-', '0'], ['container', 's', 'running', '-', '0']], { kind: 'healthy', releaseId: 'r' }],
  ['a container that ended', [['current', 'r'], ['container', 's', 'exited', '-', '0']], { kind: 'waiting', reason: 's is exited' }],
  ['no container yet', [['current', 'r']], { kind: 'waiting', reason: 'release r has no container yet' }],
  ['an update that went back to a healthy release', [['current', 'r'], ['journal', 'rolled-back', 'q'], ['container', 's', 'running', '-', '0']], { kind: 'healthy', releaseId: 'r' }],
] as const) {
  test(title, (t) => t.deepEqual(gateVerdict(parseStatus(tab(...lines.map((line) => [...line])))), verdict));
}
