import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { createConfirm } from '../../src/cli/terminal/confirm.ts';
import { createJsonReporter } from '../../src/cli/report/json-reporter.ts';
import { createLineReporter } from '../../src/cli/report/line-reporter.ts';
import type { Reporter } from '../../src/cli/report/reporter.ts';
import { createTerminalReporter } from '../../src/cli/report/terminal-reporter.ts';
import { createContext } from '../../src/context.ts';
import { runTasks, runTasksInParallel, type Task } from '../../src/tasks.ts';

/** A stream that keeps what was written to it, and passes for a terminal of 80 columns where `columns` is asked. */
function recordingStream(): { stream: NodeJS.WriteStream; text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new PassThrough();
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  Object.assign(stream, { columns: 80, rows: 24, isTTY: true });
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => Buffer.concat(chunks).toString('utf8') };
}

/** Two hosts, the first with children: one transfer, one that is skipped, and one that may fail. */
function tasks(fail: boolean): Task[] {
  const children: Task[] = [
    {
      id: 'upload',
      title: 'Upload',
      run: ({ progress, detail }) => {
        progress(5_000_000, 10_000_000);
        detail('10.0 MB');
      },
    },
    { id: 'load', title: 'Load', skip: () => 'unchanged', run: () => {} },
    {
      id: 'start',
      title: 'Start',
      run: ({ log }) => {
        log('starting server');
        log('the clock is off', 'warning');
        if (fail) throw new Error('gate failed');
      },
    },
  ];
  return [
    { id: 'pi', title: 'First host', run: (report) => report.children(children) },
    { id: 'pi2', title: 'Second host', run: () => {} },
  ];
}

async function play(reporter: Reporter, list: readonly Task[], after?: () => void): Promise<void> {
  const context = createContext({ emit: (event) => reporter.emit(event) });
  await runTasks(context, list).catch(() => {});
  if (after) reporter.whenFree(after);
  await reporter.finish();
}

test('plain lines: what began, how it ended, with the depth of each task', async (t) => {
  const { stream, text } = recordingStream();
  await play(createLineReporter(stream, { verbose: false }), tasks(false));
  t.is(
    text(),
    `> First host
  > Upload
  + Upload: 10.0 MB
  - Load: unchanged
  > Start
    starting server
    warning: the clock is off
  + Start
+ First host
> Second host
+ Second host
`,
  );
});

test('plain lines: a failure marks the task and its parents; the message is left to whoever prints the error', async (t) => {
  const { stream, text } = recordingStream();
  await play(createLineReporter(stream, { verbose: false }), tasks(true));
  t.true(text().endsWith('  x Start\nx First host\n'), text());
  t.notRegex(text(), /gate failed/);
});

test('debug lines are shown with --verbose only', (t) => {
  for (const verbose of [true, false]) {
    const outputs = [recordingStream(), recordingStream()] as const;
    const event = { type: 'log', level: 'debug', message: '$ docker info' } as const;
    createLineReporter(outputs[0].stream, { verbose }).emit(event);
    createJsonReporter(outputs[1].stream, recordingStream().stream, { verbose }).emit(event);
    for (const { text } of outputs) t.is(text().includes('docker info'), verbose);
  }
});

test('JSON: every event is one line, in order', async (t) => {
  const { stream, text } = recordingStream();
  await play(createJsonReporter(stream, recordingStream().stream, { verbose: false }), tasks(false));
  const events = text().trimEnd().split('\n').map((line) => JSON.parse(line) as { type: string; id?: string; state?: string });
  t.deepEqual(events[0], { type: 'tasks', tasks: [{ id: 'pi', title: 'First host' }, { id: 'pi2', title: 'Second host' }] } as never);
  t.deepEqual(events.filter(({ state }) => state === 'skipped').map(({ id }) => id), ['pi/load']);
});

const escape = '\u001B';

/** What stands on the screen at the end: the text after the last time that the list was wiped. */
function screen(t: ExecutionContext, text: string): string[] {
  t.true(text.lastIndexOf(`${escape}[?25h`) > text.lastIndexOf(`${escape}[?25l`), 'the cursor is shown after it was last hidden');
  const wipedAt = Math.max(...['[2K', '[1A', '[J', '[G'].map((code) => text.lastIndexOf(`${escape}${code}`)), 0);
  return stripVTControlCharacters(text.slice(wipedAt)).split('\n').filter(Boolean);
}

test('the living list ends with parents above their children, details, and nothing lost although all ended at once', async (t) => {
  const { stream, text } = recordingStream();
  await play(createTerminalReporter(stream, { verbose: false }), tasks(false), () => stream.write('printed afterwards\n'));
  t.deepEqual(
    screen(t, text()).map((line) => line.replace(/^( *)[^ ] /, '$1')),
    ['First host', '  Upload: 10.0 MB', '  Load: unchanged', '  Start', 'Second host', 'warning: the clock is off', 'printed afterwards'],
  );
});

test('the living list of a failure marks it and its parent, shows no message and what was never begun', async (t) => {
  const { stream, text } = recordingStream();
  const list = [...tasks(true), { id: 'never', title: 'Never begun', run: () => {} }];
  await play(createTerminalReporter(stream, { verbose: false }), list);
  const lines = screen(t, text());
  const marks = new Map(lines.map((line) => [line.trim().slice(2), line.trim()[0]]));
  t.is(marks.get('Start'), marks.get('First host'));
  t.not(marks.get('Start'), marks.get('Upload: 10.0 MB'));
  t.true(marks.has('Never begun'));
  t.notRegex(lines.join('\n'), /gate failed/);
});

test('two lists, one after the other, keep what is printed between them in order', async (t) => {
  const { stream, text } = recordingStream();
  const reporter = createTerminalReporter(stream, { verbose: false });
  const context = createContext({ emit: (event) => reporter.emit(event) });
  await runTasks(context, [{ id: 'same', title: 'One', run: () => {} }]);
  reporter.whenFree(() => stream.write('between\n'));
  await runTasks(context, [{ id: 'same', title: 'Two', run: () => {} }]);
  await reporter.finish();
  const order = ['One\n', 'between\n', 'Two\n'].map((part) => stripVTControlCharacters(text()).lastIndexOf(part));
  t.deepEqual(order, order.toSorted((a, b) => a - b));
  t.true(order.every((at) => at >= 0));
});

/** Three hosts side by side, one of which fails, whose steps are told in turn. */
async function playHosts(reporter: Reporter): Promise<void> {
  const context = createContext({ emit: (event) => reporter.emit(event) });
  const host = (id: string): Task => ({
    id,
    title: `${id}: 1.0.0 -> 1.0.1`,
    run: async (report) => {
      await report.children([
        {
          id: 'upload',
          title: 'Upload',
          run: async ({ progress }) => {
            progress(5_000_000, 10_000_000);
            await delay(300); // the living list is drawn every 100 ms
          },
        },
        {
          id: 'rollout',
          title: 'Roll out',
          run: async ({ log }) => {
            log('old services stopped');
            await delay(300);
            if (id === 'pi2') throw new Error('gate failed');
          },
        },
      ]);
      report.detail('updated');
    },
  });
  await runTasksInParallel(context, ['pi1', 'pi2', 'pi3'].map(host), { concurrency: 3 }).catch(() => {});
  await reporter.finish();
}

/** What takes more than a second, as it may on a busy machine, is told with its time. */
function withoutDuration(line: string): string {
  return line.replace(/ \(\d+(\.\d)? s\)$/, '');
}

test('hosts side by side: plain lines name theirs', async (t) => {
  const { stream, text } = recordingStream();
  await playHosts(createLineReporter(stream, { verbose: false }));
  const lines = text().split('\n').map(withoutDuration);
  t.deepEqual(
    lines.filter((line) => line.includes('pi2')),
    ['> pi2: 1.0.0 -> 1.0.1', 'pi2: > Upload', 'pi2: + Upload', 'pi2: > Roll out', 'pi2: old services stopped', 'pi2: x Roll out', 'x pi2: 1.0.0 -> 1.0.1'],
  );
  t.true(lines.includes('+ pi3: 1.0.0 -> 1.0.1: updated'));
});

test('hosts side by side: the living list has one line for each, with its present step', async (t) => {
  const { stream, text } = recordingStream();
  await playHosts(createTerminalReporter(stream, { verbose: false }));
  const drawn = stripVTControlCharacters(text());
  for (const host of ['pi1', 'pi2', 'pi3']) {
    t.regex(drawn, new RegExp(`${host}: Upload: 5\\.0 MB of 10\\.0 MB`));
    t.regex(drawn, new RegExp(`${host}: old services stopped`));
  }
  const lines = screen(t, text()).map((line) => withoutDuration(line.trim()));
  t.deepEqual(lines.map((line) => line.slice(2)), ['pi1: 1.0.0 -> 1.0.1: updated', 'pi2: 1.0.0 -> 1.0.1', 'pi3: 1.0.0 -> 1.0.1: updated']);
  t.is(lines[0]?.[0], lines[2]?.[0]);
  t.not(lines[0]?.[0], lines[1]?.[0]);
});

test('only an explicit yes confirms; --yes answers itself, and nobody is asked without a terminal', async (t) => {
  const asked: string[] = [];
  const confirm = (answer: string, options: { yes?: boolean; canAsk?: boolean } = {}) =>
    createConfirm({ yes: false, canAsk: true, ...options, ask: (question) => (asked.push(question), Promise.resolve(answer)) })('Go on?');
  t.true(await confirm('y'));
  t.true(await confirm(' Yes '));
  for (const answer of ['', 'n', 'yep', 'yes please']) t.false(await confirm(answer), answer);
  t.is(asked.length, 6);
  t.is(asked[0], 'Go on? [y/N] ');
  t.true(await confirm('n', { yes: true }));
  t.false(await confirm('y', { canAsk: false }));
  t.is(asked.length, 6);
});
