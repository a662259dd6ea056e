import test from 'ava';
import { FaultBench } from '../../faults/bench/fault-bench.ts';
import { runScenario } from '../../faults/matrix/run-scenario.ts';
import { planScenarios, titleOf, type Fault } from '../../faults/matrix/scenarios.ts';

/** A part of the kill matrix (test/faults): each kind of fault once, where it hurts. Needs root, Linux, dockerd, sshd, python3. */
const part: readonly (readonly [fault: Fault, point: string])[] = [
  ['updater killed', 'trying the image'],
  ['host killed', 'starting'],
  ['host killed', 'writing host files'],
  ['engine killed', 'stopped'],
  ['disk full', 'starting the old'],
  ['journal half written', 'committed'],
  ['journal torn', 'stopped'],
  ['laptop killed', 'stopped'],
  ['link cut', 'uploading'],
];

const all = planScenarios(['overlay2']);
let bench: FaultBench | undefined;

test.after.always('gone', async () => {
  await bench?.destroy();
});

for (const [fault, point] of part) {
  test.serial(titleOf({ store: 'overlay2', fault, point: { name: point } }), async (t) => {
    const scenario = all.find((one) => one.fault === fault && one.point.name === point)!;
    const own = (bench ??= await FaultBench.create('overlay2'));
    try {
      const { violations, log, end, tookMs } = await runScenario(own, scenario);
      t.deepEqual(violations, [], `${violations.join('\n')}\n${log}`);
      t.log(`the ${end!} release after ${(tookMs / 1000).toFixed(1)} s`);
    } catch (error) {
      // What went wrong must not spoil the next one.
      bench = undefined;
      await own.destroy();
      throw error;
    }
  });
}

test.serial('the observer sees what is wrong', async (t) => {
  bench ??= await FaultBench.create('overlay2');
  const expected = { releases: [bench.current], strict: true, waitSeconds: 0 };
  t.deepEqual((await bench.observe(expected)).violations, []);
  const { host } = bench.device;
  const page = (await bench.device.container('page')).trim();
  const image = (await host.exec(['docker', 'inspect', '-f', '{{.Config.Image}}', page])).stdout.trim();
  await host.exec(`docker stop ${page}; docker create --name stray ${image}; touch /var/lib/prose-ship/left.new
    sed -i '1,5d' /var/lib/docker/volumes/records_data/_data/records; rm -r /var/lib/prose-ship/releases/$(basename $(readlink /var/lib/prose-ship/previous))`);
  const { violations } = await bench.observe(expected);
  const seen = violations.join('\n');
  t.regex(seen, /stray container \w+: exited/);
  t.regex(seen, /stray container \w+: created/);
  t.regex(seen, /service page runs None/);
  t.regex(seen, /page answers None/);
  t.regex(seen, /5 of \d+ acknowledged records are lost/);
  t.regex(seen, /previous release \S+ is not whole/);
  t.regex(seen, /leftover .*left\.new/);
});
