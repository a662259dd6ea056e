import test from 'ava';
import { findBootProblem, lastLines } from '../../../src/bake/boot/console.ts';

test('what ends a boot, as kernel, initramfs and systemd say it', (t) => {
  t.is(findBootProblem('[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n[    1.1] CPU: 0\r\n'), 'Kernel panic - not syncing: VFS: Unable to mount root fs');
  t.is(findBootProblem('initramfs: error: UUID=1 did not show up within 60 s\r\n[ 61.0] Kernel panic - not syncing: x\r\n'), 'UUID=1 did not show up within 60 s');
  t.is(findBootProblem('\x1b[0;1;31mYou are in emergency mode\x1b[0m. After logging in'), 'You are in emergency mode');
});

test('an ordinary boot', (t) => {
  t.is(findBootProblem('[    1.0] Run /init as init process\n[  OK  ] Reached target \x1b[0;1;39mrescue.target\x1b[0m\nmypi login: '), undefined);
});

test('the tail is plain text', (t) => {
  t.is(lastLines('one\r\n[\x1b[0;32m  OK  \x1b[0m] two\r\nthree\r\n\r\n', 2), '[  OK  ] two\nthree');
});
