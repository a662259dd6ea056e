import { readFile } from 'node:fs/promises';
import { ExitStatus, ShipError } from '../errors.ts';
import { judgePublicKey } from './schema/public-key.ts';

/** What a signature is for, so that one made for mail or git is none for a release (ssh-keygen(1), `-n`). */
export const signatureNamespace = 'prose-ship-release';

/** Who may sign releases: a file as ssh-keygen(1) describes it under ALLOWED SIGNERS. */
export interface AllowedSigners {
  /** Absolute path. */
  readonly file: string;
  /** Checked; lines end in LF. */
  readonly content: string;
}

/** What is wrong with a line, which counts from 1; without `line` with the whole. */
export interface SignersProblem {
  readonly line?: number;
  readonly message: string;
}

const remedy = "A line is a name, options and a public key: 'ci@example.org namespaces=\"prose-ship-release\" ssh-ed25519 AAAA...' (docs/using/signing.md).";

/** @throws ShipError E_MISSING_FILE, E_BAD_ALLOWED_SIGNERS at the line; exit status 2 */
export async function readAllowedSigners(file: string): Promise<AllowedSigners> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new ShipError({
      code: 'E_MISSING_FILE',
      message: `The file of allowed signers '${file}' cannot be read`,
      remedy: 'Name a file that lists who may sign releases; docs/using/signing.md tells how to make one.',
      exitStatus: ExitStatus.usage,
      cause,
    });
  });
  const content = `${text.replaceAll('\r\n', '\n').trimEnd()}\n`;
  const [problem] = judgeAllowedSigners(content);
  if (!problem) return { file, content };
  throw new ShipError({
    code: 'E_BAD_ALLOWED_SIGNERS',
    message: `${problem.line === undefined ? '' : `Line ${problem.line} of `}'${file}' ${problem.message}`,
    place: { file, ...(problem.line === undefined ? {} : { line: problem.line }) },
    remedy,
    exitStatus: ExitStatus.usage,
  });
}

/**
 * Every problem of a file that a device is to trust: ssh-keygen skips lines that it does not understand, and a device
 * whose file names nobody refuses every release.
 */
export function judgeAllowedSigners(content: string): readonly SignersProblem[] {
  const problems: SignersProblem[] = [];
  let signers = 0;
  for (const [index, text] of content.split('\n').entries()) {
    if (text.trim() === '' || text.startsWith('#')) continue;
    const judged = judgeLine(text);
    if (typeof judged === 'string') problems.push({ line: index + 1, message: judged });
    else if (judged.maySignReleases) signers += 1;
  }
  if (problems.length === 0 && signers === 0) problems.push({ message: `names nobody who may sign for '${signatureNamespace}': every release would be refused` });
  return problems;
}

interface SignerLine {
  readonly maySignReleases: boolean;
}

/** The line's meaning, or what is wrong with it. */
function judgeLine(text: string): SignerLine | string {
  if (/PRIVATE KEY/.test(text)) return 'is a private key: never give that away';
  const [principals, ...rest] = text.match(/(?:"(?:\\.|[^"\\])*"|[^\s"])+/g) ?? [];
  const isKeyType = (word: string | undefined) => word !== undefined && /^(?:ssh|ecdsa|sk)-/.test(word);
  if (principals === undefined || isKeyType(principals)) return 'has no name before the key';
  const options = isKeyType(rest[0]) ? '' : (rest.shift() ?? '');
  const refusal = judgePublicKey(rest.slice(0, 2).join(' '));
  if (refusal) return `has a key that ${refusal.message}`;
  let maySignReleases = true;
  for (const option of options.match(/(?:"(?:\\.|[^"\\])*"|[^,"])+/g) ?? []) {
    const { name = '', value = '' } = /^(?<name>[^=]+)(?:="?(?<value>[^"]*)"?)?$/.exec(option)?.groups ?? {};
    const judged = judgeOption(name.toLowerCase(), value);
    if (judged !== undefined) return judged;
    if (name.toLowerCase() === 'namespaces') maySignReleases = value.split(',').some((pattern) => matches(pattern, signatureNamespace));
  }
  return { maySignReleases };
}

function judgeOption(name: string, value: string): string | undefined {
  if (name === 'cert-authority' || name === 'namespaces') return undefined;
  if (name !== 'valid-after' && name !== 'valid-before') return `has the unknown option '${name}'`;
  return /^\d{8}(?:\d{4}(?:\d{2})?)?Z?$/.test(value) ? undefined : `has the date '${value}', which is none: 20271231 or 202712312359Z`;
}

/** OpenSSH's patterns (ssh_config(5), PATTERNS), without negation. */
function matches(pattern: string, text: string): boolean {
  const source = pattern.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '.*').replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(text);
}
