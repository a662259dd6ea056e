import { access } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { acquireLease, canLock } from '../../../src/host/engine/lease.ts';
import { interrupted } from '../../../src/errors.ts';
import { recordingContext } from '../../support/recording-context.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test('a lock is made with its folder, shared by some or held by one', async (t) => {
  const file = path.join(await temporaryDirectory('lease'), 'not/there/yet.lock');
  const { context } = recordingContext();
  const shared = [await acquireLease(context, file, 'shared'), await acquireLease(context, file, 'shared')];
  await t.notThrowsAsync(access(file));
  t.deepEqual([await canLock(file, 'shared'), await canLock(file, 'exclusive')], [true, false]);
  for (const lease of shared) await lease.release();
  const exclusive = await acquireLease(context, file, 'exclusive');
  t.false(await canLock(file, 'shared'));
  await exclusive.release();
  t.true(await canLock(file, 'exclusive'));
});

test('waiting for a lock ends with an interruption', async (t) => {
  const file = path.join(await temporaryDirectory('lease'), 'busy.lock');
  const { context } = recordingContext();
  const first = await acquireLease(context, file, 'exclusive');
  const controller = new AbortController();
  const second = acquireLease({ ...context, signal: controller.signal }, file, 'exclusive');
  setTimeout(() => controller.abort(interrupted()), 100);
  await t.throwsAsync(second, { code: 'E_INTERRUPTED' });
  await first.release();
  t.true(await canLock(file, 'exclusive'), 'who gave up holds nothing');
});
