import test from 'ava';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { jsonLines, proseShip } from './prose-ship.ts';

test('options of boot that cannot be are refused with what they are', async (t) => {
  for (const [option, value, remedy] of [
    ['--memory', '99999', 'Correct --memory.'],
    ['--timeout', 'soon', 'Correct --timeout.'],
    ['--port', '0', 'Correct --port.'],
    ['--platform', 'pi', 'Write linux/arm64 or linux/arm/v7.'],
  ] as const) {
    const { stdout, exitCode } = await proseShip(['boot', 'x.img', option, value, '--json']);
    t.is(exitCode, 2);
    t.like(jsonLines(t, stdout).at(-1), { ok: false, error: { code: 'E_USAGE', remedy } });
  }
});

test('an image that is not there', async (t) => {
  const directory = await temporaryDirectory('boot');
  const environment = { PROSE_SHIP_CACHE: directory };
  const { exitCode, stderr } = await proseShip(['boot', 'nowhere.img'], { cwd: directory, environment });
  t.is(exitCode, 2);
  t.regex(stderr, /E_IMAGE_NOT_FOUND/);
});
