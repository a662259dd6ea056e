import { ExitStatus, ShipError, type Place } from '../../errors.ts';
import type { Path, PlacedDocument } from './source-document.ts';

/** Collects what is wrong with one document, so that everything is told at once. */
export class Problems {
  readonly document: PlacedDocument;
  readonly #found: ShipError[] = [];

  constructor(document: PlacedDocument) {
    this.document = document;
    this.#found.push(...document.problems);
  }

  get all(): readonly ShipError[] {
    return this.#found;
  }

  /** A problem with the value at `path`. */
  add(path: Path, code: ShipError['code'], message: string, remedy: string): void {
    this.#add(code, message, remedy, this.document.placeOf(path));
  }

  /** A problem with the key at `path`. */
  addToKey(path: Path, code: ShipError['code'], message: string, remedy: string): void {
    this.#add(code, message, remedy, this.document.placeOfKey(path));
  }

  /** A problem that was found elsewhere; it gets the value's place unless it has one. */
  adopt(path: Path, problem: ShipError): void {
    this.#found.push(withPlace(problem, problem.place ?? this.document.placeOf(path)));
  }

  #add(code: ShipError['code'], message: string, remedy: string, place: Place): void {
    this.#found.push(new ShipError({ code, message, remedy, place, exitStatus: ExitStatus.usage }));
  }
}

/** `components.server.source`, as a reader would look for it. */
export function keyName(path: Path): string {
  return path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`)).join('');
}

/** The same error at a place, with the exit status of a wrong configuration. */
function withPlace(problem: ShipError, place: Place): ShipError {
  return new ShipError({
    code: problem.code,
    message: problem.message,
    place,
    exitStatus: ExitStatus.usage,
    ...(problem.remedy === undefined ? {} : { remedy: problem.remedy }),
    ...(problem.output === undefined ? {} : { output: problem.output }),
    cause: problem.cause,
  });
}
