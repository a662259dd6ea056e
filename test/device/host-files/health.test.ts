import test from 'ava';
import { staticBusybox } from '../busybox.ts';
import { HostFilesBench } from './host-files-bench.ts';

for (const [name, shell] of [
  ['dash', () => Promise.resolve(['dash'])],
  ['busybox', async () => [await staticBusybox(), 'sh']],
] as const) {
  test(`${name}: a check that passes, one that says what is not well, one that says nothing, and one that does not end`, async (t) => {
    const bench = await HostFilesBench.create(await shell());
    const script = (text: string) => ['sh', '-c', text] as const;
    await bench.release('1', [], [
      ['host-check', 'good', ...script('echo all is well')],
      ['host-check', 'bad', ...script('echo first; echo; echo second >&2; exit 3')],
      ['host-check', 'mute', ...script('exit 4')],
      ['host-check', 'missing', 'no-such-program'],
      ['host-check', 'late', 'sleep', 30],
    ]);
    const found = await bench.run('check_host_plan 1 || exit; host_check_seconds=1; host_health 1');
    t.is(found.status, 0, found.output);
    const lines = found.output.split('\n').filter(Boolean).map((line) => line.replace('\t', ' ').replace('\t', ' '));
    t.deepEqual(lines.filter((line) => !line.startsWith('missing')), ['good passed', 'bad failed first', 'bad failed second', 'mute failed ended with exit status 4', 'late failed did not end in 1 s']);
    t.regex(lines.find((line) => line.startsWith('missing')) ?? '', /^missing failed .*(?:no-such-program|127)/);
    const warned = await bench.run('host_check_seconds=1; warn_of_host 1');
    t.deepEqual(warned.log.filter((line) => /bad|good/.test(line)), ['warning check bad of the host: first', 'warning check bad of the host: second']);
  });
}

test('a release without checks is asked nothing', async (t) => {
  const bench = await HostFilesBench.create();
  await bench.release('1', [{ path: 'x', content: '' }]);
  t.is((await bench.run('host_health 1; warn_of_host 1')).output.trim(), '');
});
