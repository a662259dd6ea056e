import path from 'node:path';
import type { RecipeInput } from '../schema/recipe-schema.ts';
import { suggest } from '../yaml/nearest.ts';
import { keyName, type Problems } from '../yaml/problems.ts';
import { kindOf, type Path } from '../yaml/source-document.ts';
import { checkData } from '../data/make-data.ts';
import { checkHost } from '../host/check-host.ts';
import { checkProcesses } from '../host/processes.ts';
import { checkOrder } from './check-order.ts';
import { findBuildFile } from './components.ts';
import { namesOf } from './conditions.ts';
import { checkKnownVersions } from './known-versions.ts';
import { findTemplate, missingTemplateRemedy } from '../template/file-template.ts';
import { checkProfiles, isSettledByProfiles } from './profiles.ts';
import { checkDefinitions } from './variable-definitions.ts';

/** What a schema cannot say: names that must exist elsewhere in the recipe, files that must be there. */
export async function checkRecipe(recipe: RecipeInput, directory: string, problems: Problems): Promise<void> {
  checkDefinitions(recipe.variables, problems, (name) => isSettledByProfiles(recipe, name));
  checkProfiles(recipe, problems);
  checkProcesses(recipe, problems);
  checkRollout(recipe, problems);
  checkOrder(recipe, problems);
  checkAccounts(recipe, problems);
  checkComponentSecrets(recipe, problems);
  checkKnownVersions(recipe, problems);
  checkUnique(namesOf(recipe.data.volumes), ['data', 'volumes'], problems);
  checkData(recipe, problems);
  await checkFiles(recipe, directory, problems);
  await checkHost(recipe, directory, problems);
}

function checkRollout(recipe: RecipeInput, problems: Problems): void {
  const components = Object.keys(recipe.components);
  const { services } = recipe.rollout;
  for (const [index, { component }] of services.entries()) {
    if (components.includes(component)) continue;
    problems.add(['rollout', 'services', index, 'component'], 'E_UNKNOWN_COMPONENT', `There is no component '${component}'`, suggest(component, components, 'Components'));
  }
  for (const [index, { name, kind, probes }] of services.entries()) {
    if (kind !== 'oneshot' || probes.length === 0) continue;
    problems.add(['rollout', 'services', index, 'probes'], 'E_BAD_VALUE', `The one-shot service '${name}' has probes, but has ended when they are asked`, 'Remove them: its exit status counts.');
  }
  checkUnique(services.map(({ name }) => name), ['rollout', 'services'], problems, 'name');
  for (const component of components) {
    if (services.some((service) => service.component === component)) continue;
    problems.addToKey(['components', component], 'E_UNUSED_COMPONENT', `No service of \`rollout\` runs the component '${component}'`, 'Name it in `rollout.services`, or remove it.');
  }
}

/** Adds E_DUPLICATE for each value that stands in a list twice. */
export function checkUnique(values: readonly string[], path: Path, problems: Problems, key?: string): void {
  for (const [index, value] of values.entries()) {
    if (values.indexOf(value) === index) continue;
    problems.add([...path, index, ...(key ? [key] : [])], 'E_DUPLICATE', `'${value}' stands in \`${keyName(path)}\` twice`, 'Remove one of the two.');
  }
}

function checkAccounts({ accounts, rollout }: RecipeInput, problems: Problems): void {
  if (!accounts) return;
  const services = rollout.services.filter(({ kind }) => kind === 'daemon').map(({ name }) => name);
  if (!services.includes(accounts.service)) {
    problems.add(['accounts', 'service'], 'E_UNKNOWN_SERVICE', `There is no service '${accounts.service}'`, suggest(accounts.service, services, 'Services'));
  }
  for (const verb of ['add', 'passwd', 'list'] as const) {
    const index = accounts[verb].command.findIndex((word) => word.includes('{password}'));
    if (index < 0) continue;
    problems.add(['accounts', verb, 'command', index], 'E_SECRET_IN_ARGUMENTS', 'A password on a command line can be read by everyone on the host', 'Hand it over on standard input: `input: "{password}\\n"`.');
  }
}

function checkComponentSecrets(recipe: RecipeInput, problems: Problems): void {
  const secrets = Object.keys(recipe.variables).filter((name) => recipe.variables[name]?.type === 'secret');
  for (const [name, component] of Object.entries(recipe.components)) {
    for (const [id, variable] of Object.entries(component.secrets)) {
      if (recipe.variables[variable]?.generate) {
        problems.add(['components', name, 'secrets', id], 'E_BAD_VALUE', `The secret '${variable}' is made by each host, so no build can use it`, 'Remove `generate: true` from the variable, or the secret from the component.');
      }
      if (secrets.includes(variable)) continue;
      problems.add(['components', name, 'secrets', id], 'E_UNKNOWN_VARIABLE', `There is no secret variable '${variable}'`, suggest(variable, secrets, 'Secret variables'));
    }
  }
}

async function checkFiles(recipe: RecipeInput, directory: string, problems: Problems): Promise<void> {
  const missing = (at: Path, what: string, file: string, remedy: string) => problems.add(at, 'E_MISSING_FILE', `The ${what} '${file}' does not exist`, remedy);
  if ((await kindOf(path.resolve(directory, recipe.compose))) !== 'file') {
    missing(['compose'], 'Compose template', recipe.compose, 'Write it beside recipe.yaml; paths are relative to that.');
  }
  for (const [name, { template }] of Object.entries(recipe.files)) {
    if (await findTemplate(directory, template)) continue;
    missing(['files', name, 'template'], 'template', template, missingTemplateRemedy);
  }
  for (const [name, { dockerfile, source }] of Object.entries(recipe.components)) {
    const at = ['components', name];
    if (!(await findBuildFile(directory, dockerfile, 'file'))) {
      missing([...at, 'dockerfile'], 'Dockerfile', dockerfile, 'Paths are relative to recipe.yaml; what begins with `dockerfiles/` may also be one of prose-ship\'s own.');
    }
    if (typeof source === 'string' && !(await findBuildFile(directory, source, 'directory'))) {
      missing([...at, 'source'], 'source folder', source, 'Paths are relative to recipe.yaml. A build that needs no files takes an empty folder.');
    }
  }
}
