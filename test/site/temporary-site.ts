import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { createContext } from '../../src/context.ts';
import { ConfigurationError, ExitStatus, type ShipError } from '../../src/errors.ts';
import { loadDeployment } from '../../src/site/load.ts';

export const fixtures = path.resolve(import.meta.dirname, '../fixtures/site');

/** The least that a site of the fixture recipe `static-web` says. */
export const staticWebSite = `schema: 1
name: web
version: 1.0.0
recipe: ./static-web
domain: example.org
variables: {title: Hello}
`;

/** A folder that ends with the test, holding the given files and a copy of the fixture recipe `static-web`. */
export async function temporarySite(t: ExecutionContext, files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-site-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  await cp(path.join(fixtures, 'static-web'), path.join(directory, 'static-web'), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(directory, name)), { recursive: true });
    await writeFile(path.join(directory, name), text);
  }
  return directory;
}

export interface ShownProblem {
  readonly code: string;
  /** `prose-ship.yaml:3:1`, without the folder. */
  readonly at: string;
  readonly message: string;
  readonly remedy: string;
}

/** What loading `prose-ship.yaml` of such a folder complains about. */
export async function problemsOf(t: ExecutionContext, files: Readonly<Record<string, string>>): Promise<ShownProblem[]> {
  const directory = await temporarySite(t, files);
  const error = await t.throwsAsync<ConfigurationError>(loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml')), {
    instanceOf: ConfigurationError,
  });
  t.is(error.exitStatus, ExitStatus.usage);
  return error.problems.map((problem) => shown(problem, directory));
}

function shown({ code, place, message, remedy }: ShipError, directory: string): ShownProblem {
  const file = place ? path.relative(directory, place.file) : '';
  return { code, at: [file, place?.line, place?.column].filter((part) => part !== undefined).join(':'), message, remedy: remedy ?? '' };
}

/** A correct site of the built-in recipe, one key a line, so that tests can spoil one of them. */
export const goodSite = `schema: 1
name: demo
version: 1.0.0
recipe: prosody
domain: example.org
`;
