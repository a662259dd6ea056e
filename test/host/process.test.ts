import { Readable } from 'node:stream';
import test from 'ava';
import { createContext } from '../../src/context.ts';
import { ExitStatus, ShipError } from '../../src/errors.ts';
import type { ShipEvent } from '../../src/events.ts';
import { formatCommand, run, start } from '../../src/host/process.ts';

const sh = (script: string, ...args: string[]) => ({ program: 'sh', args: ['-c', script, 'sh', ...args] });

test('output, exit status and input', async (t) => {
  const result = await run(createContext(), sh('cat; echo err >&2; exit 3'), { input: 'in', expect: [3] });
  t.deepEqual(result, { exitCode: 3, stdout: 'in', stderr: 'err' });
});

test('a stream goes in as it comes, and large output comes out whole', async (t) => {
  const piped = await run(createContext(), { program: 'wc', args: ['-c'] }, { input: Readable.from([Buffer.alloc(70_000), Buffer.alloc(5)]) });
  t.is(piped.stdout.trim(), '70005');
  const child = start(createContext(), { program: 'head', args: ['-c', '40000000', '/dev/zero'] });
  let size = 0;
  for await (const chunk of child.stdout) size += (chunk as Buffer).length;
  t.is((await child).exitCode, 0);
  t.is(size, 40_000_000);
});

test('standard input is empty unless it is given', async (t) => {
  t.is((await run(createContext(), { program: 'cat', args: [] })).stdout, '');
});

test('a failure names the command and shows its last lines', async (t) => {
  const error = await t.throwsAsync(run(createContext(), sh('seq 30; exit 7')), { instanceOf: ShipError });
  t.is((error).code, 'E_COMMAND_FAILED');
  t.regex(error.message, /exit status 7/);
  t.is((error).output?.split('\n').length, 20);
  t.true((error).output?.endsWith('30'));
});

test('a missing program is a preflight failure with a remedy', async (t) => {
  const error = await t.throwsAsync(run(createContext(), { program: 'no-such-program', args: [] }), { instanceOf: ShipError });
  t.is((error).code, 'E_COMMAND_NOT_FOUND');
  t.is((error).exitStatus, ExitStatus.preflight);
  t.regex((error).remedy ?? '', /doctor --fix/);
});

test('secrets are redacted from commands, lines and errors', async (t) => {
  const events: ShipEvent[] = [];
  const context = createContext({ emit: (event) => events.push(event) });
  context.secrets.add('correct horse');
  const lines: string[] = [];
  const command = sh('echo "it is $1"; exit 1', 'correct horse');
  const error = await t.throwsAsync(run(context, command, { onLine: (line) => lines.push(line) }), { instanceOf: ShipError });
  t.deepEqual(lines, ['it is [secret]']);
  t.notRegex(JSON.stringify([events, error, error.message]), /correct horse/);
});

test('aborting ends the child and is reported as an interruption', async (t) => {
  const controller = new AbortController();
  const context = createContext({ signal: controller.signal });
  const startedAt = performance.now();
  const running = run(context, sh('sleep 60 & wait'));
  setTimeout(() => controller.abort(), 100);
  const error = await t.throwsAsync(running, { instanceOf: ShipError });
  t.is((error).code, 'E_INTERRUPTED');
  t.is((error).exitStatus, ExitStatus.interrupted);
  t.true(performance.now() - startedAt < 10_000);
});

test('a time limit ends the child', async (t) => {
  const error = await t.throwsAsync(run(createContext(), { program: 'sleep', args: ['60'] }, { timeoutMs: 100 }), { instanceOf: ShipError });
  t.is((error).code, 'E_TIMEOUT');
});

test('commands are shown as a shell would take them', (t) => {
  t.is(formatCommand({ program: 'docker', args: ['run', "it's", ''] }), `docker run 'it'\\''s' ''`);
});
