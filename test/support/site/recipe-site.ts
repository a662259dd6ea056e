import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { createContext } from '../../../src/context.ts';
import type { ShipEvent } from '../../../src/events.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import type { Deployment } from '../../../src/site/model.ts';
import { problemsOf as problemsOfFiles, temporarySite, type ShownProblem } from '../../site/temporary-site.ts';

/** Parts of a recipe whose one service is `server`; each is YAML at the place that its name says. */
export interface RecipeParts {
  /** Entries below `components`, `variables`, `rollout.services`: indented by two, two and four. */
  readonly components?: string;
  readonly variables?: string;
  readonly services?: string;
  /** More keys at the top. */
  readonly top?: string;
  /** The Compose services besides `server`. */
  readonly compose?: string;
  /** More lines of the site. */
  readonly site?: string;
  /** Other files below the recipe's folder. */
  readonly files?: Readonly<Record<string, string>>;
}

/** The files of a site whose recipe has these parts. */
export function recipeSite({ components = '', variables = '', services = '', top = '', compose = '', site = '', files = {} }: RecipeParts): Record<string, string> {
  return {
    'prose-ship.yaml': `schema: 1\nname: demo\nversion: 1.0.0\nrecipe: ./own\ndomain: example.org\n${site}`,
    'own/recipe.yaml': `schema: 1
name: own
version: 1.0.0
description: A recipe of a test.
components:
  server: {image: example/server, version: 2.1.0, source: content, dockerfile: Dockerfile}
${components}variables:
  rooms: {type: boolean, description: Whether there are rooms., default: true}
${variables}rollout:
  services:
    - {name: server, component: server}
${services}${top}`,
    'own/compose.yaml': `name: {{ site.name | json }}\nservices:\n  server: {image: {{ 'server' | image }}, restart: always}\n${compose}volumes: {data: {}}\n`,
    'own/Dockerfile': 'FROM scratch\n',
    'own/content/empty': '',
    ...Object.fromEntries(Object.entries(files).map(([name, text]) => [`own/${name}`, text])),
  };
}

/** What loading complains about. */
export function problemsOf(t: ExecutionContext, parts: RecipeParts): Promise<ShownProblem[]> {
  return problemsOfFiles(t, recipeSite(parts));
}

/** A folder that ends with the test, holding the files of such a site. */
export function writeParts(t: ExecutionContext, parts: RecipeParts): Promise<string> {
  return temporarySite(t, recipeSite(parts));
}

/** The loaded site; its warnings go into `warnings`. */
export async function loadParts(t: ExecutionContext, parts: RecipeParts, warnings: string[] = []): Promise<Deployment> {
  const directory = await writeParts(t, parts);
  const emit = (event: ShipEvent) => {
    if (event.type === 'log' && event.level === 'warning') warnings.push(event.message.replace(`${directory}/`, ''));
  };
  return loadDeployment(createContext({ emit }), path.join(directory, 'prose-ship.yaml'));
}

/** `line:column` of a text in one of the files. */
export function placeIn(parts: RecipeParts, file: 'prose-ship.yaml' | 'own/recipe.yaml', text: string): string {
  const content = recipeSite(parts)[file] ?? '';
  const offset = content.indexOf(text);
  if (offset < 0) throw new Error(`${file} does not hold ${text}`);
  const before = content.slice(0, offset).split('\n');
  return `${file}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
}
