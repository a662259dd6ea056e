import test from 'ava';
import { setupError } from '../../../src/bake/assemble/setup-error.ts';
import { ConfigurationError } from '../../../src/errors.ts';

test('the problem that a script named is the error, with its remedy', (t) => {
  const error = setupError(['#12 0.41 cp: something', '#12 0.52 prose-ship-error\tE_ENGINE_MISSING\tDocker Compose is not installed ', 'ERROR: failed to solve']);
  t.like(error, { code: 'E_ENGINE_MISSING', message: 'Docker Compose is not installed', exitStatus: 3 });
  t.regex(error!.remedy!, /Debian 13/);
});

test('several are told at once, each once: buildx repeats the last lines', (t) => {
  const line = '#9 1.0 prose-ship-error\tE_BAD_TIMEZONE\tno Mars/Base';
  const error = setupError([line, '#9 1.0 prose-ship-error\tE_BAD_LOCALE\tno xx_XX.UTF-8', ' > 1.0 prose-ship-error\tE_BAD_TIMEZONE\tno Mars/Base', line]);
  t.true(error instanceof ConfigurationError);
  t.deepEqual((error as ConfigurationError).problems.map(({ code }) => code), ['E_BAD_TIMEZONE', 'E_BAD_LOCALE']);
  t.regex((error as ConfigurationError).problems[0]!.remedy!, /site's `os`/);
});

test('where no script named a problem there is none', (t) => {
  t.is(setupError([]), undefined);
  t.is(setupError(['prose-ship-error E_NO_TABS here', 'prose-ship-step 1 setup']), undefined);
});
