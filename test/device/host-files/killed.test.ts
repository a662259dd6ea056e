import path from 'node:path';
import test from 'ava';
import { HostFilesBench, type BenchFile } from './host-files-bench.ts';

/** Two releases: one file changes, one gives way to another, and each of them stands where somebody else's stood. */
const releases: Readonly<Record<string, readonly BenchFile[]>> = {
  1: [
    { path: 'changes.conf', content: 'old\n' },
    { path: 'a/b/goes.conf', content: 'goes\n' },
    { path: 'shared/before.conf', content: 'ours\n' },
  ],
  2: [
    { path: 'changes.conf', content: 'new\n', mode: '0600' },
    { path: 'a/c/comes.conf', content: 'comes\n' },
    { path: 'shared/theirs.conf', content: 'over theirs\n' },
  ],
};

async function bench(): Promise<HostFilesBench> {
  const made = await HostFilesBench.create();
  await made.put(path.join(made.etc, 'shared/theirs.conf'), 'theirs\n');
  await made.put(path.join(made.etc, 'shared/before.conf'), 'from before\n');
  for (const [id, files] of Object.entries(releases)) await made.release(id, files);
  return made;
}

async function picture(one: HostFilesBench) {
  return { etc: await one.tree(one.etc), loaded: await one.tree(path.join(one.directory, 'loaded')), records: await one.records() };
}

test.serial('killed before any step of an update, the next run goes on to the new release', async (t) => {
  t.timeout(120_000);
  const one = await bench();
  const wanted = new Map<string, object>();
  let steps = 0;
  for (const id of ['2', '1', '2', '1']) {
    t.is((await one.run(`apply_host_files ${id}`)).status, 0);
    wanted.set(id, await picture(one));
    steps = Math.max(steps, await one.steps());
  }
  let [at, next] = ['1', '2'];
  // Each run takes its time; the way back, below, looks at every step.
  for (let step = 1; step <= steps; step += 3) {
    await one.run(`apply_host_files ${next}`, step);
    const run = await one.run(`apply_host_files ${next}`);
    t.is(run.status, 0, `step ${step}: ${run.output}`);
    t.deepEqual(run.log.filter((line) => line.startsWith('warning')), [], `step ${step}`);
    t.deepEqual(await picture(one), wanted.get(next), `step ${step} from ${at} to ${next}`);
    [at, next] = [next, at];
  }
});

test.serial('killed before any step of an update, the way back leads to the old release', async (t) => {
  t.timeout(120_000);
  const one = await bench();
  for (const id of ['1', '2']) t.is((await one.run(`apply_host_files ${id}`)).status, 0);
  const steps = await one.steps();
  t.true(steps > 30, `${steps} steps`);
  t.is((await one.run('restore_host_files 1')).status, 0);
  const wanted = await picture(one);
  for (let step = 1; step <= steps; step += 1) {
    t.is((await one.run('apply_host_files 2', step)).status, 'killed', `step ${step}`);
    const run = await one.run('restore_host_files 1');
    t.is(run.status, 0, `step ${step}: ${run.output}`);
    t.deepEqual(run.log.filter((line) => line.startsWith('warning')), [], `step ${step}`);
    t.deepEqual(await picture(one), wanted, `step ${step}`);
  }
});

test.serial('killed before any step of the first installation, the way back leaves nothing of it', async (t) => {
  t.timeout(120_000);
  const one = await bench();
  const before = await one.tree(one.etc);
  t.is((await one.run('apply_host_files 2')).status, 0);
  const steps = await one.steps();
  for (let step = 1; step <= steps; step += 2) {
    t.is((await one.run('restore_host_files -')).status, 0);
    t.deepEqual(await one.tree(one.etc), before, `step ${step}`);
    t.deepEqual(await one.records(), {}, `step ${step}`);
    t.is((await one.run('apply_host_files 2', step)).status, 'killed', `step ${step}`);
  }
});
