import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { staticBusybox } from './busybox.ts';

const execute = promisify(execFile);
const parts = path.resolve(import.meta.dirname, '../../src/device/updater.d');

/** Runs shell code with the updater's journal in `directory`, in dash or busybox. */
async function withJournal(directory: string, script: string, shell: readonly string[] = ['dash']): Promise<string> {
  await mkdir(directory, { recursive: true });
  const code = `set -u; STATE_DIR=${directory}; SETTINGS_DIR=/x; TAB=$(printf '\\t'); TMPDIR=${directory}
    for part in run/log run/clock rollout/journal release/plan; do . ${parts}/$part.sh; done
    data_differs() { [ -e "$STATE_DIR/differs" ]; }
    show() { echo "$j_id $j_goal $j_state $j_next $j_from $j_snapshot $j_resumes [$j_changed]"; }
    log_line() { :; }; log_warning() { :; }
    ${script}`;
  const { stdout } = await execute(shell[0]!, [...shell.slice(1), '-c', code]);
  return stdout.trim();
}

const writes = `j_id=2.0-abcdef j_goal=rollout j_from=1.0-123456 j_changed='a b'
  at() { j_state=$1 j_next=$2; journal_write; }`;

async function shells(): Promise<(readonly string[])[]> {
  return [['dash'], [await staticBusybox(), 'sh']];
}

test('a journal that was cut at any byte is never read as another one', async (t) => {
  for (const shell of await shells()) {
    const directory = await temporaryDirectory('journal');
    const whole = await withJournal(directory, `${writes}; at stopped snapshotted; read_journal "$JOURNAL"; show`, shell);
    t.is(whole, '2.0-abcdef rollout stopped snapshotted 1.0-123456 no 0 [a b]');
    const { length } = await readFile(path.join(directory, 'journal'));
    const read = await withJournal(directory, `n=0; while [ $n -lt ${length} ]; do head -c $n "$JOURNAL" >"$JOURNAL.cut"; ! read_journal "$JOURNAL.cut" || show; n=$((n + 1)); done`, shell);
    t.is(read, '', 'its last line tells that it is whole');
    // The first journal of an update has the states of a card's, which has no last line: what ran before tells them apart.
    const first = await withJournal(directory, `${writes}; at uploaded verified; n=0; while [ $n -lt ${length} ]; do head -c $n "$JOURNAL" >"$JOURNAL.cut"; ! read_journal "$JOURNAL.cut" || show; n=$((n + 1)); done`, shell);
    t.is([...new Set(first.split('\n'))].join(), '2.0-abcdef rollout uploaded verified 1.0-123456 no 0 [a b]', 'whole, or nothing');
  }
});

test('a damaged journal counts for nothing, and the one before it says what can be done again', async (t) => {
  const cases: readonly (readonly [before: string, after: string, prepare: string, expected: string])[] = [
    ['verified loaded', 'loaded synced', '', 'verified loaded 1.0-123456 no'],
    ['stopped snapshotted', 'snapshotted started', '', 'stopped snapshotted 1.0-123456 no'],
    // The copy is whole; taken again it would hold what the new release has made of the data.
    ['stopped snapshotted', 'snapshotted started', 'mkdir -p "$STATE_DIR/snapshots/$j_id"; : >"$STATE_DIR/differs"', 'snapshotted started 1.0-123456 yes'],
    // A copy of an earlier attempt at the same release, which does not change the data from here.
    ['stopped snapshotted', 'snapshotted started', 'mkdir -p "$STATE_DIR/snapshots/$j_id"', 'stopped snapshotted 1.0-123456 no'],
    ['started gated', 'started rolled-back', '', 'snapshotted started 1.0-123456 no'],
    ['gated committed', 'committed -', 'ln -sfn releases/2.0-abcdef "$STATE_DIR/current"', 'committed - 1.0-123456 no'],
  ];
  for (const [before, after, prepare, expected] of cases) {
    for (const damage of [': >"$JOURNAL"', 'rm "$JOURNAL"', 'head -c 4096 /dev/urandom >"$JOURNAL"', 'head -c 300 /dev/zero >"$JOURNAL"', 'sed -i "s/^state.*/state\tstop/" "$JOURNAL"']) {
      const directory = await temporaryDirectory('journal');
      const found = await withJournal(directory, `${writes}; at ${before}; at ${after}; ${prepare || ':'}; ${damage}; journal_load; echo "$? $j_state $j_next $j_from $j_snapshot"`);
      t.is(found, `0 ${expected}`, `${after}: ${damage}`);
    }
  }
});

test('without any journal that is whole nothing is under way', async (t) => {
  const directory = await temporaryDirectory('journal');
  t.is(await withJournal(directory, 'journal_load; echo $?'), '1');
  await writeFile(path.join(directory, 'journal'), 'id\t1');
  await writeFile(path.join(directory, 'journal.last'), '');
  t.is(await withJournal(directory, 'journal_load; echo $?'), '1');
  const card = ['format\t1', 'id\t1.0-abc', 'goal\trollout', 'state\tuploaded', 'next\tverified', 'from\t-', 'time\t0', ''].join('\n');
  await writeFile(path.join(directory, 'journal'), card);
  t.is(await withJournal(directory, 'journal_load; echo $?; show'), '0\n1.0-abc rollout uploaded verified - no 0 []', 'as a baked card holds it');
  const torn = ['format\t1', 'id\t1.0-abc', 'goal\trollout', 'state\tuploaded', 'next\tverified', 'fr'].join('\n');
  await writeFile(path.join(directory, 'journal'), torn);
  t.is(await withJournal(directory, 'journal_load; echo $?'), '1', 'the first half of another one says nothing of what runs');
});
