import test from 'ava';
import { runTasks, runTasksInParallel } from '../src/tasks.ts';
import { recordingContext } from './support/recording-context.ts';

test('tasks run in order, children inside their parent, skipped ones say why', async (t) => {
  const { events, context, states } = recordingContext();
  await runTasks(context, [
    { id: 'a', title: 'A', run: (report) => report.children([{ id: 'b', title: 'B', run: () => {} }]) },
    { id: 'c', title: 'C', skip: () => 'already there', run: () => t.fail() },
  ]);
  t.deepEqual(states(), ['a started', 'a/b started', 'a/b done', 'a done', 'c skipped']);
  t.true(events.some((event) => event.type === 'task' && event.detail === 'already there'));
});

test('the first failure ends the list and is thrown', async (t) => {
  const { context, states } = recordingContext();
  const failing = { id: 'a', title: 'A', run: () => Promise.reject(new Error('no')) };
  await t.throwsAsync(runTasks(context, [failing, { id: 'b', title: 'B', run: () => t.fail() }]), { message: 'no' });
  t.deepEqual(states(), ['a started', 'a failed']);
});

test('an aborted context starts nothing', async (t) => {
  const { context } = recordingContext({ signal: AbortSignal.abort(new Error('stopped')) });
  await t.throwsAsync(runTasks(context, [{ id: 'a', title: 'A', run: () => t.fail() }]), { message: 'stopped' });
});

test('secrets that a task reports are redacted', async (t) => {
  const { events, context } = recordingContext();
  const secret = context.secrets.add('hunter2hunter2');
  await runTasks(context, [
    {
      id: 'a',
      title: 'A',
      run: (report) => {
        report.log(`password is ${secret.reveal()}`);
        report.detail(secret.reveal());
      },
    },
  ]);
  t.notRegex(JSON.stringify(events), /hunter2/);
  t.regex(JSON.stringify(events), /\[secret\]/);
  t.is(`${String(secret)}${JSON.stringify({ secret })}`, '[secret]{"secret":"[secret]"}');
});

test('parallel tasks begin in order, at most so many at once; what never began is told of as skipped', async (t) => {
  const { context, states } = recordingContext();
  const gates = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()] as const;
  const tasks = [
    { id: 'a', title: 'A', run: () => gates[0].promise },
    { id: 'b', title: 'B', run: () => gates[1].promise },
    { id: 'c', title: 'C', run: () => {} },
  ];
  const done = runTasksInParallel(context, tasks, { concurrency: 2 });
  gates[1].reject(new Error('no'));
  await gates[1].promise.catch(() => {});
  gates[0].resolve(undefined);
  await t.throwsAsync(done, { message: 'no' });
  t.deepEqual(states(), ['a started', 'b started', 'b failed', 'a done', 'c skipped']);
});

test('parallel tasks that do not depend on each other all run, and the first failure is thrown', async (t) => {
  const { context, events, states } = recordingContext();
  const failing = { id: 'a', title: 'A', run: () => Promise.reject(new Error('no')) };
  const tasks = [failing, { id: 'b', title: 'B', run: () => {} }];
  await t.throwsAsync(runTasksInParallel(context, tasks, { concurrency: 1, afterFailure: 'go-on' }), { message: 'no' });
  t.deepEqual(states(), ['a started', 'a failed', 'b started', 'b done']);
  t.false(events.some((event) => event.type === 'tasks' && event.concurrent));
});

test('parallel tasks of an aborted context do not begin', async (t) => {
  const { context, states } = recordingContext({ signal: AbortSignal.abort(new Error('stopped')) });
  const tasks = [{ id: 'a', title: 'A', run: () => t.fail() }];
  await t.throwsAsync(runTasksInParallel(context, tasks, { concurrency: 2 }), { message: 'stopped' });
  t.deepEqual(states(), ['a skipped']);
});
