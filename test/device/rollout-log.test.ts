import test from 'ava';
import { parseRolloutLogLine } from '../../src/device/rollout-log.ts';

const timeSeconds = 1_795_253_867;

for (const [line, expected] of [
  ['state\tsynced', { kind: 'state', state: 'synced' }],
  ['info\tweb: loading web.tar.zst (1107857 bytes)', { kind: 'info', text: 'web: loading web.tar.zst (1107857 bytes)' }],
  ['info\t', { kind: 'info', text: '' }],
  ['warning\tgoing back to release 1.0.0-0', { kind: 'warning', text: 'going back to release 1.0.0-0' }],
  ['error\tE_GATE\tthe gate did not pass', { kind: 'error', code: 'E_GATE', text: 'the gate did not pass' }],
  ['end\t4', { kind: 'end', status: 4 }],
] as const) {
  test(`reads ${JSON.stringify(line)}`, (t) => {
    t.deepEqual(parseRolloutLogLine(`${timeSeconds}\t${line}`), { timeSeconds, ...expected });
    t.deepEqual(parseRolloutLogLine(`${timeSeconds}\t${line}\r\n`), { timeSeconds, ...expected });
  });
}

for (const line of ['', 'Warning: something of sudo', '1\tstate\tflying', '1\terror\tGATE\tx', '1\tend\tsoon', 'x\tinfo\ty', '1\tnew-kind\tz']) {
  test(`leaves out ${JSON.stringify(line)}`, (t) => {
    t.is(parseRolloutLogLine(line), undefined);
  });
}
