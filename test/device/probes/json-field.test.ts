import { execFile } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { staticBusybox } from '../busybox.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const execute = promisify(execFile);
const part = path.resolve(import.meta.dirname, '../../../src/device/updater.d/probes/json.sh');

interface Question {
  readonly document: string | Buffer;
  readonly path: string;
  readonly equals: string;
}

interface Answer {
  readonly passed: boolean;
  readonly text: string;
}

/** The shells and awks of small systems: Debian's dash and mawk, and busybox for both. */
const systems = ['debian', 'busybox'] as const;

async function ask(system: (typeof systems)[number], questions: readonly Question[]): Promise<Answer[]> {
  const directory = await temporaryDirectory('json');
  const busybox = await staticBusybox();
  await mkdir(path.join(directory, 'bin'));
  if (system === 'busybox') for (const name of ['awk', 'tr', 'wc']) await symlink(busybox, path.join(directory, 'bin', name));
  for (const [index, { document, path: field, equals }] of questions.entries()) {
    await writeFile(path.join(directory, `${index}.document`), document);
    await writeFile(path.join(directory, `${index}.path`), field);
    await writeFile(path.join(directory, `${index}.equals`), `${equals}x`);
  }
  const script = `set -u; . '${part}'; n=0
    while [ "$n" -lt ${questions.length} ]; do
      text=$(cat "$n.equals")
      answer=$(json_field_is "$n.document" "$(cat "$n.path")" "\${text%x}")
      printf '%s\\t%s\\n' "$?" "$(printf '%s' "$answer" | tr '\\t\\n' '  ')"
      n=$((n + 1))
    done`;
  const shell = system === 'busybox' ? [busybox, 'sh'] : ['dash'];
  const env = { PATH: `${directory}/bin:${process.env['PATH'] ?? ''}`, LC_ALL: 'C' };
  const { stdout, stderr } = await execute(shell[0]!, [...shell.slice(1), '-c', script], { cwd: directory, env, maxBuffer: 2 ** 24 });
  if (stderr !== '') throw new Error(stderr);
  return stdout.split('\n').slice(0, -1).map((line) => ({ passed: line.startsWith('0\t'), text: line.slice(line.indexOf('\t') + 1) }));
}

const status = '{"status": {"ok": true, "text": "ready", "load": 0.50, "none": null, "checks": [{"state": "up"}, {"state": "down"}]}}';
const nested = (depth: number) => `${'['.repeat(depth)}1${']'.repeat(depth)}`;

/** What passes has no text. */
const cases: readonly (readonly [document: string | Buffer, path: string, equals: string, answer: string])[] = [
  [status, 'status.ok', 'true', ''],
  [status, 'status.ok', 'false', 'status.ok is true'],
  [status, 'status.text', 'ready', ''],
  [status, 'status.load', '0.50', ''],
  [status, 'status.load', '0.5', 'status.load is 0.50'],
  [status, 'status.none', 'null', ''],
  [status, 'status.checks.1.state', 'down', ''],
  [status, 'status.checks.2.state', 'down', 'JSON without status.checks.2.state'],
  [status, 'status.checks.01.state', 'down', 'JSON without status.checks.01.state'],
  [status, 'status', 'true', 'status is an object'],
  [status, 'status.checks', '', 'status.checks is a list'],
  [status, 'ok', 'true', 'JSON without ok'],
  [status, 'status.text.ready', 'true', 'JSON without status.text.ready'],
  [' \r\n\t{\n"a"\t:\r1 }\n\n', 'a', '1', ''],
  ['{"a.b": 1, "a": {"b": 2}}', 'a.b', '2', ''],
  ['{"a.b": 1}', 'a.b', '1', 'JSON without a.b'],
  ['{"a": 1, "a": 2}', 'a', '2', ''],
  ['{"a": {"b": 1}, "a": {"c": 1}}', 'a.b', '1', 'JSON without a.b'],
  ['{"b": {"ok": "no"}, "ok": "yes", "c": {"ok": "no"}}', 'ok', 'yes', ''],
  ['{"a": "x", "b": "{\\"a\\": \\"y\\"}"}', 'a', 'x', ''],
  ['[10, 20]', '1', '20', ''],
  ['{"10": "x"}', '10', 'x', ''],
  ['{"1e1": "x"}', '10', 'x', 'JSON without 10'],
  ['{"a": ""}', 'a', '', ''],
  ['{"a": "0"}', 'a', '0.0', 'a is 0'],
  ['{"a": "\\" \\\\ \\/ \\b\\f\\n\\r\\t"}', 'a', '" \\ / \b\f\n\r\t', ''],
  ['{"a": "\\n&\\\\1"}', 'a', '\n&\\1', ''],
  ['{"schl\\u00fcssel": "\\u20ac"}', 'schlüssel', '€', ''],
  ['{"schlüssel": "€ 😀"}', 'schl\u00fcssel', '€ 😀', ''],
  ['{"a": "\\ud83d\\ude00"}', 'a', '😀', ''],
  ['{"a": "\\uD83D"}', 'a', '\ufffd', ''],
  ['{"a": "\\ud83d\\u0041"}', 'a', '\ufffdA', ''],
  ['{"a": "\\ude00\\ud83d"}', 'a', '\ufffd\ufffd', ''],
  ['{"a": "\\u0000"}', 'a', '\ufffd', ''],
  ['{"a": "\\u00"}', 'a', '', 'no JSON: an unknown escape at byte 12'],
  ['{"a": "\\x41"}', 'a', 'A', 'no JSON: an unknown escape at byte 10'],
  ['{"a": "b', 'a', 'b', 'no JSON: a text that does not end at byte 9'],
  ['{"a": "b\nc"}', 'a', 'b\nc', 'no JSON: a text that does not end at byte 9'],
  [Buffer.from('{"a": "b\0"}'), 'a', 'b', 'no JSON: a text that does not end at byte 9'],
  [Buffer.from('{"a": 1}\0'), 'a', '1', 'no JSON: something more at byte 9'],
  ['{"a": 1}{', 'a', '1', 'no JSON: something more at byte 9'],
  ['{"a": 1', 'a', '1', 'no JSON: neither a comma nor } at byte 9'],
  ['{"a": 1,}', 'a', '1', 'no JSON: no key at byte 9'],
  ["{'a': 1}", 'a', '1', 'no JSON: no key at byte 2'],
  ['{"a": 01}', 'a', '01', 'no JSON: no value at byte 9'],
  ['{"a": True}', 'a', 'True', 'no JSON: no value at byte 7'],
  ['<html>ok</html>', 'ok', 'ok', 'no JSON: no value at byte 1'],
  ['', 'a', '', 'no JSON: no value at byte 1'],
  [nested(64), '0', '1', '0 is a list'],
  [nested(65), '0', '1', 'no JSON: nested too deeply at byte 66'],
  [nested(30_000), '0', '1', 'no JSON: nested too deeply at byte 66'],
  [`{"a": 1, "b": "${'x'.repeat(65_536 - 17)}"}`, 'a', '1', ''],
  [`{"a": 1, "b": "${'x'.repeat(65_536 - 16)}"}`, 'a', '1', 'an answer of more than 65536 bytes'],
  [`{"a": "${'x'.repeat(300)}"}`, 'a', '', `a is ${'x'.repeat(200)}`],
];

for (const system of systems) {
  test(`${system}: one field of a JSON document`, async (t) => {
    const answers = await ask(system, cases.map(([document, field, equals]) => ({ document, path: field, equals })));
    for (const [index, [document, field, , text]] of cases.entries()) {
      t.deepEqual(answers[index], { passed: text === '', text }, `${document.toString().slice(0, 80)} ${field}`);
    }
  });

  test(`${system}: agrees with JSON.parse about documents, whole and spoilt`, async (t) => {
    const random = randomNumbers(7);
    const questions: (Question & { readonly valid: boolean; readonly right: boolean })[] = [];
    for (let round = 0; round < 150; round += 1) {
      const value = { list: [randomValue(random, 0), randomValue(random, 0)], wanted: randomText(random) };
      const document = JSON.stringify(value, undefined, random(3));
      questions.push({ document, path: 'wanted', equals: value.wanted, valid: true, right: true });
      const at = random(document.length);
      const spoilt = document.slice(0, at) + ['', '"', ',', '}', '\\', '1', ' ', 'e'][random(8)]! + document.slice(at + random(2));
      const parsed = parse(spoilt) as { wanted?: unknown } | undefined;
      questions.push({ document: spoilt, path: 'wanted', equals: value.wanted, valid: parsed !== undefined, right: parsed?.wanted === value.wanted });
    }
    t.true(questions.some(({ valid }) => !valid) && questions.filter(({ valid }) => valid).length > 150, 'both kinds occur');
    const answers = await ask(system, questions);
    for (const [index, { document, valid, right }] of questions.entries()) {
      const { passed, text } = answers[index]!;
      t.is(passed, right, `${document.toString()}: ${text}`);
      t.is(!text.startsWith('no JSON'), valid, `${document.toString()}: ${text}`);
    }
  });
}

function parse(document: string): unknown {
  try {
    return JSON.parse(document);
  } catch {
    return undefined;
  }
}

/** Numbers from 0 up to a limit, the same in each run (a linear congruential generator). */
function randomNumbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 8) % limit;
  };
}

/** Without the ends of lines and spaces that a shell or `JSON.parse` see differently: half pairs and NUL have their own cases. */
function randomText(random: (limit: number) => number): string {
  const alphabet = ['a', ' ', '"', '\\', '/', '\u0001', '\u001f', '\u007f', 'é', '€', '😀', '{', ']', ':', '1', '%s', '&'];
  return Array.from({ length: random(8) }, () => alphabet[random(alphabet.length)]!).join('');
}

function randomValue(random: (limit: number) => number, depth: number): unknown {
  const scalars = [null, true, false, random(1000) - 500, random(1000) / 7, 1e30 * random(9), randomText(random)];
  const kind = random(depth > 3 ? 7 : 11);
  if (kind < 7) return scalars[kind];
  const length = random(4);
  if (kind < 9) return Array.from({ length }, () => randomValue(random, depth + 1));
  return Object.fromEntries(Array.from({ length }, (_, index) => [`${randomText(random)}${index}`, randomValue(random, depth + 1)]));
}
