import test from 'ava';
import { ExitStatus, ShipError } from '../../../src/errors.ts';
import { planWaves } from '../../../src/ship/fleet/plan-waves.ts';

const hosts = ['a', 'b', 'c', 'd', 'e'];

test('one host after another unless a wave is larger', (t) => {
  t.deepEqual(planWaves(hosts), [['a'], ['b'], ['c'], ['d'], ['e']]);
  t.deepEqual(planWaves(hosts, { waveSize: 2 }), [['a', 'b'], ['c', 'd'], ['e']]);
  t.deepEqual(planWaves(hosts, { waveSize: 100 }), [hosts]);
  t.deepEqual(planWaves([]), []);
});

test('canaries come first, alone, and never more at once than a wave has', (t) => {
  t.deepEqual(planWaves(hosts, { waveSize: 3, canaries: ['d'] }), [['d'], ['a', 'b', 'c'], ['e']]);
  t.deepEqual(planWaves(hosts, { waveSize: 4, canaries: ['d', 'b', 'd'] }), [['d', 'b'], ['a', 'c', 'e']]);
  t.deepEqual(planWaves(['a', 'b'], { canaries: ['b', 'a'] }), [['b'], ['a']]);
});

test('every host is in exactly one wave, however many there are', (t) => {
  const many = Array.from({ length: 100 }, (_, at) => `host-${at}`);
  for (const waveSize of [1, 7, 100]) {
    const waves = planWaves([...many, 'host-3'], { waveSize, canaries: ['host-50'] });
    t.deepEqual(waves.flat().toSorted(), many.toSorted());
    t.true(waves.every((wave) => wave.length <= waveSize && Object.isFrozen(wave)));
    t.deepEqual(waves[0], ['host-50']);
  }
});

test('a canary that is no host and a wave of no hosts are wrong usage', (t) => {
  const unknown = t.throws<ShipError>(() => planWaves(hosts, { canaries: ['z'] }), { instanceOf: ShipError });
  t.is(unknown.code, 'E_BAD_CANARY');
  t.is(unknown.exitStatus, ExitStatus.usage);
  t.regex(unknown.remedy ?? '', /a, b, c, d, e/);
  for (const waveSize of [0, -1, 1.5, Number.NaN]) {
    t.is(t.throws<ShipError>(() => planWaves(hosts, { waveSize }), { instanceOf: ShipError }).code, 'E_BAD_WAVE');
  }
});
