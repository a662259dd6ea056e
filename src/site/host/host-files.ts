import { createHash } from 'node:crypto';
import type { HostAction, HostCheck, HostFileTemplate, HostPolicy } from './host-policy.ts';
import { adoptFailure } from '../recipe/components.ts';
import type { Surroundings } from '../recipe/conditions.ts';
import type { RecipeInput } from '../schema/recipe-schema.ts';
import { makeFileTemplate } from '../template/file-template.ts';
import { keyName, type Problems } from '../yaml/problems.ts';
import type { Path } from '../yaml/source-document.ts';
import { judgeHostPath } from './host-path.ts';

interface HostSurroundings extends Surroundings {
  readonly recipeDirectory: string;
}

/**
 * The files that a release puts on the host itself, and what follows; undefined where none are wanted. Where some are, all
 * actions stay: also that a file goes may have to be told.
 */
export async function makeHostPolicy({ host, files }: RecipeInput, surroundings: HostSurroundings): Promise<HostPolicy | undefined> {
  if (!host || host.files.length + host.checks.length === 0) return undefined;
  const { recipeDirectory, problems } = surroundings;
  const made: HostFileTemplate[] = [];
  const taken = new Set(Object.keys(files));
  for (const [index, { path: pathTemplate, action, ...file }] of host.files.entries()) {
    const at = ['host', 'files', index, 'path'];
    const before = problems.all.length;
    const target = await renderAt(pathTemplate, at, surroundings);
    if (problems.all.length > before) continue;
    judge(target, made, at, problems);
    const name = fileNameOf(target, taken);
    taken.add(name);
    made.push({ ...(await makeFileTemplate(name, file, recipeDirectory)), path: target, ...(action === undefined ? {} : { action }) });
  }
  const checks = await makeChecks(host.checks, surroundings);
  return { files: made, actions: await makeActions(host.actions, surroundings), ...(checks.length > 0 ? { checks } : {}) };
}

function judge(target: string, others: readonly HostFileTemplate[], at: Path, problems: Problems): void {
  const refusal = judgeHostPath(target);
  if (refusal) problems.add(at, refusal.code, `\`${keyName(at)}\` '${target}' ${refusal.message}`, refusal.remedy);
  for (const other of others) {
    if (other.path === target) problems.add(at, 'E_DUPLICATE', `'${target}' stands in \`host.files\` twice`, 'Remove one of the two, or give them `when` that never hold together.');
    else if (isBelow(other.path, target) || isBelow(target, other.path)) {
      problems.add(at, 'E_BAD_PATH', `'${target}' and '${other.path}' cannot both be files: one lies below the other`, 'Rename one of the two.');
    }
  }
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

async function makeActions(actions: NonNullable<RecipeInput['host']>['actions'], surroundings: HostSurroundings): Promise<HostAction[]> {
  const made: HostAction[] = [];
  for (const [index, { name, check, apply, timeoutSeconds }] of actions.entries()) {
    const at = ['host', 'actions', index];
    made.push({
      name,
      ...(check ? { check: await renderCommand(check, [...at, 'check'], surroundings) } : {}),
      apply: await renderCommand(apply, [...at, 'apply'], surroundings),
      timeoutSeconds,
    });
  }
  return made;
}

async function makeChecks(checks: NonNullable<RecipeInput['host']>['checks'], surroundings: HostSurroundings): Promise<HostCheck[]> {
  const made: HostCheck[] = [];
  for (const [index, { name, command }] of checks.entries()) {
    made.push({ name, command: await renderCommand(command, ['host', 'checks', index, 'command'], surroundings) });
  }
  return made;
}

async function renderCommand(command: readonly string[], at: Path, surroundings: HostSurroundings): Promise<string[]> {
  const { problems } = surroundings;
  const words: string[] = [];
  for (const [index, word] of command.entries()) {
    const before = problems.all.length;
    const text = await renderAt(word, [...at, index], surroundings);
    words.push(text);
    if (problems.all.length > before || /^[^\t\r\n]+$/.test(text)) continue;
    problems.add([...at, index], 'E_BAD_VALUE', `'${word}' renders to ${text === '' ? 'nothing' : 'several lines'}`, 'Each word of a command is one line of text without tabs.');
  }
  return words;
}

function renderAt(text: string, at: Path, { engine, scope, problems }: HostSurroundings): Promise<string> {
  return engine.renderText(text, scope, problems.document.placeOf(at)).catch((error: unknown) => adoptFailure(error, at, problems));
}

const longestName = 100;

/** The path as one file name; of two paths that would come to the same, the later gets a digest. */
function fileNameOf(target: string, taken: ReadonlySet<string>): string {
  const plain = target.slice(1).replaceAll('/', '-').replaceAll(/[^A-Za-z0-9._-]/g, '_').replace(/^[^A-Za-z0-9]/, 'x');
  if (plain.length <= longestName && !taken.has(plain)) return plain;
  const digest = createHash('sha256').update(target).digest('hex').slice(0, 8);
  return `${plain.slice(0, longestName - digest.length - 1)}-${digest}`;
}
