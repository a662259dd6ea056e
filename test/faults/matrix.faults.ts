import test from 'ava';
import { FaultBench, patience } from './bench/fault-bench.ts';
import { planScenarios, stores, titleOf } from './matrix/scenarios.ts';
import { runScenario } from './matrix/run-scenario.ts';
import { beginAccount, recordOutcome } from './matrix/account.ts';

/** The whole kill matrix, half an hour; `npm run test:faults`. Needs root, Linux, dockerd, sshd, python3; fails without. */
test.before('a fresh account', beginAccount);

for (const store of stores) {
  let bench: FaultBench | undefined;

  for (const scenario of planScenarios([store])) {
    test.serial(titleOf(scenario), async (t) => {
      t.timeout(patience * 10 * 60_000);
      const own = (bench ??= await FaultBench.create(store));
      try {
        const outcome = await runScenario(own, scenario);
        await recordOutcome(scenario, outcome);
        t.deepEqual(outcome.violations, [], `${outcome.violations.join('\n')}\n${outcome.log}`);
      } catch (error) {
        t.log(await own.log().catch(String));
        // What went wrong must not spoil the next one.
        bench = undefined;
        await own.destroy();
        throw error;
      }
    });
  }

  test.serial(`${store}: after all that it rolls back and forth, and the engine has not grown`, async (t) => {
    t.timeout(5 * 60_000);
    bench ??= await FaultBench.create(store);
    try {
      await bench.backAndForth();
      const verdict = await bench.observe({ releases: [bench.current], strict: true, waitSeconds: 5 });
      t.deepEqual(verdict.violations, []);
      const engineMiB = (verdict.engineBytes ?? Infinity) / 1024 ** 2;
      t.true(engineMiB < 64, `${engineMiB} MiB`);
    } finally {
      await bench.destroy();
    }
  });
}
