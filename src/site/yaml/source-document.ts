import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { LineCounter, isMap, isNode, isPair, isScalar, isSeq, parseDocument, visit, type Document, type Node, type Pair } from 'yaml';
import { ExitStatus, ShipError, type Place } from '../../errors.ts';

export type Path = readonly (string | number)[];

/** YAML that remembers where everything in it stands, in one file or in several. */
export interface PlacedDocument {
  /** Syntax errors and the like; with any of them `value` is not to be trusted. */
  readonly problems: readonly ShipError[];
  readonly value: unknown;
  /** Where a value stands; for what is missing, where the nearest thing around it does. */
  placeOf(path: Path): Place;
  /** Where the key of a value stands. */
  placeOfKey(path: Path): Place;
  /** How a scalar is written: `1.10` for what YAML reads as the number 1.1. */
  writtenAs(path: Path): string | undefined;
  /** Takes entries out of lists and maps, so that places of what is left are found by its new position. `value` stays. */
  leaveOut(paths: readonly Path[]): void;
}

/** One YAML file. */
export class SourceDocument implements PlacedDocument {
  /** As shown: relative to the working directory where it is below it. */
  readonly file: string;
  readonly #document: Document;
  readonly #lines = new LineCounter();
  /** Syntax errors and duplicate keys; with any of them `value` is not to be trusted. */
  readonly problems: readonly ShipError[];
  readonly value: unknown;

  constructor(file: string, text: string) {
    this.file = displayPath(file);
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, version: '1.2' });
    this.problems = [
      ...this.#document.errors.map((error) => syntaxProblem(error.code, error.message, this.#place(error.pos[0]))),
      ...this.#lostAliases(),
    ];
    this.value = this.problems.length === 0 ? this.#toJs() : undefined;
  }

  placeOf(path: Path): Place {
    return this.#placeOf(path, (pair) => (isNode(pair.value) ? (pair.value) : (pair.key as Node)));
  }

  placeOfKey(path: Path): Place {
    return this.#placeOf(path, (pair) => pair.key as Node);
  }

  writtenAs(path: Path): string | undefined {
    const node = this.#document.getIn(path, true);
    return isScalar(node) ? node.source : undefined;
  }

  leaveOut(paths: readonly Path[]): void {
    for (const path of lastFirst(paths)) this.#document.deleteIn(path);
  }

  #placeOf(path: Path, choose: (pair: Pair) => Node): Place {
    let node: unknown = this.#document.contents;
    let found: Node | undefined = isNode(node) ? node : undefined;
    for (const part of path) {
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
        if (!isPair(pair)) break;
        found = choose(pair);
        node = pair.value;
      } else if (isSeq(node)) {
        node = node.items[Number(part)];
        if (!isNode(node)) break;
        found = node;
      } else break;
    }
    return this.#place(found?.range?.[0] ?? 0);
  }

  #place(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.file, line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  /** Those of anchors that are not in this file, which the parser leaves to whoever wants the values. */
  #lostAliases(): ShipError[] {
    const lost: ShipError[] = [];
    visit(this.#document, {
      Alias: (_, alias) => {
        if (!alias.resolve(this.#document)) lost.push(syntaxProblem('LOST_ALIAS', `there is no &${alias.source} above`, this.#place(alias.range?.[0] ?? 0)));
      },
    });
    return lost;
  }

  #toJs(): unknown {
    return this.#document.toJS({ maxAliasCount: 100 });
  }
}

/** Entries of a list from the end, so that taking one out moves none of the others. */
export function lastFirst(paths: readonly Path[]): readonly Path[] {
  return paths.toSorted((a, b) => b.length - a.length || Number(b.at(-1)) - Number(a.at(-1)));
}

/** @throws ShipError E_MISSING_FILE with the given remedy, exit status 2 */
export async function readSourceDocument(file: string, what: string, remedy: string): Promise<SourceDocument> {
  return new SourceDocument(file, await readText(file, what, remedy));
}

async function readText(file: string, what: string, remedy: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new ShipError({
      code: 'E_MISSING_FILE',
      message: `There is no ${what} '${displayPath(file)}' that can be read`,
      remedy,
      exitStatus: ExitStatus.usage,
      cause,
    });
  }
}

/** Relative to the working directory where it is below it, else absolute. */
export function displayPath(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative !== '' && !relative.startsWith('..') && !path.isAbsolute(relative) ? relative : file;
}

/** What stands at a path: 'file', 'directory' or undefined. */
export async function kindOf(target: string): Promise<'file' | 'directory' | undefined> {
  const found = await stat(target).catch(() => undefined);
  if (found?.isDirectory()) return 'directory';
  return found?.isFile() ? 'file' : undefined;
}

function syntaxProblem(code: string, message: string, place: Place): ShipError {
  const duplicate = code === 'DUPLICATE_KEY';
  return new ShipError({
    code: duplicate ? 'E_DUPLICATE_KEY' : 'E_YAML',
    message: duplicate ? 'This key stands here twice' : `This is not YAML: ${message.split('\n')[0] ?? ''}`,
    remedy: duplicate ? 'Remove one of the two.' : syntaxRemedies[code] ?? 'Look at this line and the one above: indentation, colons, quotes.',
    place,
    exitStatus: ExitStatus.usage,
  });
}

/** By the error codes of the `yaml` package (its docs, "Errors"), and one of ours. */
const syntaxRemedies: Record<string, string> = {
  LOST_ALIAS: 'An alias (*NAME) means an anchor (&NAME) above it in the same file.',
  TAB_AS_INDENT: 'Indent with spaces, not with tabs.',
  BAD_INDENT: 'Indent keys of one map by the same number of spaces.',
  MISSING_CHAR: 'A quote, bracket or colon is missing here.',
  BLOCK_AS_IMPLICIT_KEY: 'Put text with a colon in it in quotes.',
};
