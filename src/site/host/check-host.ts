import { findTemplate, missingTemplateRemedy } from '../template/file-template.ts';
import type { RecipeInput } from '../schema/recipe-schema.ts';
import { suggest } from '../yaml/nearest.ts';
import type { Problems } from '../yaml/problems.ts';

/** What `host` names must be there, and every action must have something that it follows. */
export async function checkHost({ host }: RecipeInput, directory: string, problems: Problems): Promise<void> {
  if (!host) return;
  const names = host.actions.map(({ name }) => name);
  for (const [index, { template, action }] of host.files.entries()) {
    const at = ['host', 'files', index];
    if (!(await findTemplate(directory, template))) {
      problems.add([...at, 'template'], 'E_MISSING_FILE', `The template '${template}' does not exist`, missingTemplateRemedy);
    }
    if (action !== undefined && !names.includes(action)) {
      problems.add([...at, 'action'], 'E_UNKNOWN_ACTION', `There is no action '${action}'`, suggest(action, names, 'Actions'));
    }
  }
  for (const [index, name] of names.entries()) {
    const at = ['host', 'actions', index, 'name'];
    if (names.indexOf(name) !== index) problems.add(at, 'E_DUPLICATE', `'${name}' stands in \`host.actions\` twice`, 'Remove one of the two.');
    if (!host.files.some(({ action }) => action === name)) {
      problems.add(at, 'E_UNUSED_ACTION', `No file of \`host\` names the action '${name}', so it would never run`, 'Name it as `action` of a file, or remove it.');
    }
  }
  const checks = host.checks.map(({ name }) => name);
  for (const [index, name] of checks.entries()) {
    if (checks.indexOf(name) !== index) problems.add(['host', 'checks', index, 'name'], 'E_DUPLICATE', `'${name}' stands in \`host.checks\` twice`, 'Remove one of the two.');
  }
}
