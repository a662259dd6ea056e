import path from 'node:path';
import { recipesDirectory } from '../recipe/locate-recipe.ts';
import { kindOf } from '../yaml/source-document.ts';

/** A template of the recipe that is rendered into a release and mounted read-only into containers. */
export interface FileTemplate {
  /** Unique file name; the Compose template refers to it by `{{ 'prosody.cfg.lua' | file }}`. */
  readonly name: string;
  /** Absolute path of the template. */
  readonly template: string;
  /** Permission bits, 0o640. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What a recipe says of a file: the template by its name, the mode in octal digits, the owner as `UID:GID`. */
interface FileInput {
  readonly template: string;
  readonly mode: string;
  readonly owner: string;
}

/** The file of a recipe in `directory`. A template that is not there is told of by the recipe's own check. */
export async function makeFileTemplate(name: string, { template, mode, owner }: FileInput, directory: string): Promise<FileTemplate> {
  const [uid = 0, gid = 0] = owner.split(':').map(Number);
  return { name, template: (await findTemplate(directory, template)) ?? path.resolve(directory, template), mode: Number.parseInt(mode, 8), uid, gid };
}

/**
 * A template of a recipe: a path from its folder, or what begins with `shared/` from recipes/ of prose-ship, where the built-in
 * recipes keep what they have in common. So a copy of one of them holds anywhere. Undefined where there is no such file.
 */
export async function findTemplate(directory: string, name: string): Promise<string | undefined> {
  const candidates = [path.resolve(directory, name), ...(name.startsWith('shared/') ? [path.join(recipesDirectory, name)] : [])];
  for (const candidate of candidates) if ((await kindOf(candidate)) === 'file') return candidate;
  return undefined;
}

/** For E_MISSING_FILE where there is no such template. */
export const missingTemplateRemedy = "Paths are relative to recipe.yaml; what begins with `shared/` may also be one of prose-ship's own.";
