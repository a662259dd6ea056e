import path from 'node:path';
import test from 'ava';
import { CommanderError } from 'commander';
import { createProgram } from '../../src/cli/program.ts';
import type { Verb } from '../../src/cli/verb.ts';
import { verbs } from '../../src/cli/verbs.ts';
import { createContext } from '../../src/context.ts';
import { run } from '../../src/host/process.ts';
import { cliPage } from '../../docs/generate-cli.ts';
import { node } from '../support/command-line.ts';
import { proseShip } from './prose-ship.ts';

for (const { name, example, options = [] } of verbs) {
  test(`prose-ship ${name} --help shows its options and an example`, async (t) => {
    const { exitCode, stdout, stderr } = await proseShip([name, '--help']);
    t.is(exitCode, 0, stderr);
    t.is(stderr, '');
    t.true(stdout.includes(`Example:\n  prose-ship ${example}`));
    for (const { flags } of options) t.true(stdout.includes(flags), flags);
    for (const line of stdout.split('\n')) t.true(line.length <= 80 || line.includes(example), line);
  });

  test(`the example of ${name} parses`, async (t) => {
    let ran: Verb | undefined;
    const program = createProgram((verb) => {
      ran = verb;
      return Promise.resolve();
    });
    const [words = ''] = example.split(' > '); // a redirection is the shell's
    await t.notThrowsAsync(program.parseAsync(words.split(' '), { from: 'user' }));
    t.is(ran?.name, name);
  });
}

test('an example with an unknown option would not parse', async (t) => {
  const program = createProgram(() => Promise.resolve());
  const error = await t.throwsAsync<CommanderError>(program.parseAsync(['update', 'pi', '--no-such-option'], { from: 'user' }), {
    instanceOf: CommanderError,
  });
  t.is(error.code, 'commander.unknownOption');
});

test('--help loads no stage', async (t) => {
  const heavy = /\/(?:zod|yaml|liquidjs|listr2|ssh2|node-ssh|execa|undici)\//;
  const script = `
    import { registerHooks } from 'node:module';
    registerHooks({ load: (url, context, next) => { if (${String(heavy)}.test(url)) process.stderr.write(url + '\\n'); return next(url, context); } });
    const { main } = await import(${JSON.stringify(path.resolve(import.meta.dirname, '../../src/cli/program.ts'))});
    await main(['update', '--help']);`;
  const { stderr, stdout } = await run(createContext(), { program: node, args: ['--input-type=module', '--eval', script] });
  t.regex(stdout, /Usage: prose-ship update/);
  t.is(stderr, '');
});

test('docs/reference/cli.md is that of the verbs (node docs/generate-cli.ts writes it)', async (t) => {
  const script = path.resolve(import.meta.dirname, '../../docs/generate-cli.ts');
  const { exitCode, stderr } = await run(createContext(), { program: node, args: [script, '--check'] }, { expect: [1] });
  t.is(exitCode, 0, stderr);
  for (const { name, example } of verbs) t.true(cliPage().includes(`### ${name}\n`) && cliPage().includes(`    prose-ship ${example}\n`), name);
});
