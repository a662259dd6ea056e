import type { Place, ShipError } from '../../errors.ts';
import type { Path, PlacedDocument, SourceDocument } from './source-document.ts';

/** A file and those that stand under keys of it, as if they were one; places are those in the file where a value stands. */
export class ComposedDocument implements PlacedDocument {
  readonly problems: readonly ShipError[];
  readonly value: unknown;
  readonly #main: SourceDocument;
  readonly #parts: ReadonlyMap<string, SourceDocument>;

  /** @param parts By the key under which the content stands. */
  constructor(main: SourceDocument, parts: ReadonlyMap<string, SourceDocument>, problems: readonly ShipError[]) {
    this.#main = main;
    this.#parts = parts;
    this.problems = problems;
    this.value = { ...(main.value as object), ...Object.fromEntries([...parts].map(([key, { value }]) => [key, value])) };
  }

  placeOf(path: Path): Place {
    const part = this.#partOf(path);
    return part ? part.placeOf(path.slice(1)) : this.#main.placeOf(path);
  }

  placeOfKey(path: Path): Place {
    const part = this.#partOf(path);
    if (!part) return this.#main.placeOfKey(path);
    return path.length > 1 ? part.placeOfKey(path.slice(1)) : this.#main.placeOfKey(['include', ...path]);
  }

  writtenAs(path: Path): string | undefined {
    const part = this.#partOf(path);
    return part ? part.writtenAs(path.slice(1)) : this.#main.writtenAs(path);
  }

  leaveOut(paths: readonly Path[]): void {
    this.#main.leaveOut(paths.filter((path) => !this.#partOf(path)));
    for (const [key, part] of this.#parts) part.leaveOut(paths.filter(([first]) => first === key).map((path) => path.slice(1)));
  }

  #partOf([key]: Path): SourceDocument | undefined {
    return this.#parts.get(String(key));
  }
}
