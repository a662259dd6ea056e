import { copyFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import { systemFiles } from '../sample/image.ts';

const repository = path.resolve(import.meta.dirname, '../..');
/** What the second component of the large stack holds. */
const libraryBytes = 200e6;

/** `small`: the built-in recipe alone. `large`: beside it a component with 200 MB of files, as stacks with a web client or a database have. */
export type Stack = 'small' | 'large';

export const stackTitles: Readonly<Record<Stack, string>> = {
  small: 'Prosody alone',
  large: 'Prosody and a component of 200 MB',
};

/** Writes a site, and its recipe where that is not the built-in one. */
export async function writeSite(file: string, stack: Stack, keyFile: string): Promise<void> {
  const directory = path.dirname(file);
  await mkdir(directory, { recursive: true });
  const recipe = stack === 'small' ? 'prosody' : './recipe';
  if (stack === 'large') await writeLargeRecipe(path.join(directory, 'recipe'));
  await writeFile(file, stringify({
    schema: 1,
    name: `bench-${stack}`,
    version: '1.0.0',
    recipe,
    domain: 'chat.example.test',
    variables: { federation: false },
    platforms: ['linux/arm64'],
    os: { base: 'debian', user: 'pi', authorizedKeys: [{ file: keyFile }] },
  }));
}

/** The built-in recipe with one more component and service. */
async function writeLargeRecipe(directory: string): Promise<void> {
  await cp(path.join(repository, 'recipes/prosody'), directory, { recursive: true });
  await cp(path.join(repository, 'dockerfiles/prosody'), path.join(directory, 'dockerfiles/prosody'), { recursive: true });
  await copyFile(path.join(repository, 'dockerfiles/prosody.Dockerfile'), path.join(directory, 'dockerfiles/prosody.Dockerfile'));
  const files = path.join(directory, 'library/files');
  await mkdir(files, { recursive: true });
  for (const [index, name] of (await systemFiles(libraryBytes)).entries()) await copyFile(name, path.join(files, `${index}-${path.basename(name)}`));
  await writeFile(path.join(directory, 'library.Dockerfile'), 'FROM debian:trixie-slim\nCOPY files/ /usr/share/library/\nUSER nobody\nCMD ["sleep", "infinity"]\n');
  const recipe = parse(await readFile(path.join(directory, 'recipe.yaml'), 'utf8')) as { components: object; rollout: { services: object[] } };
  recipe.components = {
    ...recipe.components,
    library: { image: 'prose-ship/library', version: '1.0.0', source: 'library', dockerfile: 'library.Dockerfile', bases: ['debian:trixie-slim'] },
  };
  recipe.rollout.services.push({ name: 'library', component: 'library' });
  await writeFile(path.join(directory, 'recipe.yaml'), stringify(recipe));
  const compose = await readFile(path.join(directory, 'compose.yaml'), 'utf8');
  const service = "  library:\n    image: {{ 'library' | image }}\n    restart: unless-stopped\n    init: true\n    network_mode: none\n";
  await writeFile(path.join(directory, 'compose.yaml'), compose.replace(/^services:\n/m, `services:\n${service}`));
}
