import type { ProcessPolicy } from '../model.ts';
import { adoptFailure } from '../recipe/components.ts';
import type { Surroundings } from '../recipe/conditions.ts';
import type { RecipeInput } from '../schema/recipe-schema.ts';
import { suggest } from '../yaml/nearest.ts';
import type { Problems } from '../yaml/problems.ts';
import type { Path } from '../yaml/source-document.ts';

/** What only root may listen to (ip(7), ip_unprivileged_port_start). */
const firstFreePort = 1024;

/** What `processes` and profiles with ports name must be there. */
export function checkProcesses({ processes = {}, profiles = {}, files, rollout, variables }: RecipeInput, problems: Problems): void {
  const services = rollout.services.map(({ name }) => name);
  for (const [service, { entrypoint }] of Object.entries(processes)) {
    if (!services.includes(service)) problems.addToKey(['processes', service], 'E_UNKNOWN_SERVICE', `There is no service '${service}'`, suggest(service, services, 'Services'));
    if (!(entrypoint in files)) problems.add(['processes', service, 'entrypoint'], 'E_UNKNOWN_FILE', `There is no file '${entrypoint}'`, suggest(entrypoint, Object.keys(files), 'Files'));
  }
  for (const [profile, { ports }] of Object.entries(profiles)) {
    for (const [index, name] of ports.entries()) {
      if (variables[name]?.type === 'port') continue;
      const known = Object.keys(variables).filter((one) => variables[one]?.type === 'port');
      problems.add(['profiles', profile, 'ports', index], 'E_UNKNOWN_VARIABLE', `There is no variable '${name}' of type port`, suggest(name, known, 'Such variables'));
    }
  }
}

/**
 * How the services of a narrowed recipe run without an engine and without root. What cannot be had there is added to the
 * problems: files and packages of the host itself, two copies of a service side by side, ports below 1024.
 */
export async function makeProcesses(recipe: RecipeInput, surroundings: Surroundings): Promise<ProcessPolicy[]> {
  const { problems } = surroundings;
  refuseWhatNeedsRoot(recipe, problems);
  const made: ProcessPolicy[] = [];
  for (const { name } of recipe.rollout.services) {
    const process = recipe.processes?.[name];
    if (!process) {
      problems.addToKey(['processes'], 'E_NO_PROCESS', `The recipe does not say how the service '${name}' runs without an engine`, `Add \`processes: {${name}: {entrypoint: FILE, command: [...]}}\`.`);
      continue;
    }
    const at = ['processes', name];
    if (!(process.entrypoint in recipe.files)) problems.add([...at, 'entrypoint'], 'E_UNKNOWN_FILE', `The file '${process.entrypoint}' is not wanted: its \`when\` does not hold`, 'Remove its `when`.');
    const environment: Record<string, string> = {};
    for (const [variable, value] of Object.entries(process.environment)) {
      environment[variable] = await renderLine(value, [...at, 'environment', variable], surroundings);
    }
    const { entrypoint, command, stopSeconds } = process;
    made.push({ service: name, entrypoint, command, environment, ports: await makePorts(process.ports, [...at, 'ports'], surroundings), stopSeconds });
  }
  return made;
}

function refuseWhatNeedsRoot({ host, os, rollout }: RecipeInput, problems: Problems): void {
  const remedy = 'Give it a `when` that does not hold in this profile.';
  for (const index of host?.files.keys() ?? []) problems.add(['host', 'files', index], 'E_NEEDS_ROOT', 'A file of the host itself needs root, and this profile has `engine: none`', remedy);
  for (const index of os?.packages.keys() ?? []) problems.add(['os', 'packages', index], 'E_NEEDS_ROOT', 'A package needs root, and this profile has `engine: none`', remedy);
  for (const [index, { name, order, kind }] of rollout.services.entries()) {
    if (order === 'stop-first' && kind === 'daemon') continue;
    problems.add(['rollout', 'services', index], 'E_NEEDS_ENGINE', `The service '${name}' is ${kind === 'daemon' ? 'started beside its successor' : 'a one-shot service'}, which needs an engine`, remedy);
  }
}

async function makePorts(ports: readonly (number | string)[], at: Path, surroundings: Surroundings): Promise<number[]> {
  const { problems } = surroundings;
  const made: number[] = [];
  for (const [index, port] of ports.entries()) {
    const text = typeof port === 'number' ? String(port) : await renderLine(port, [...at, index], surroundings);
    if (text === '') continue;
    const number = Number(text);
    made.push(number);
    if (Number.isInteger(number) && number >= firstFreePort && number <= 65_535) continue;
    problems.add([...at, index], 'E_PORT_NEEDS_ROOT', `The service wants port ${text}`, `Without root it can only have one from ${firstFreePort} to 65535; \`prose-ship ports HOST\` finds free ones.`);
  }
  return made;
}

async function renderLine(text: string, at: Path, { engine, scope, problems }: Surroundings): Promise<string> {
  const rendered = await engine.renderText(text, scope, problems.document.placeOf(at)).catch((error: unknown) => adoptFailure(error, at, problems));
  if (/[\t\r\n]/.test(rendered)) problems.add(at, 'E_BAD_VALUE', `'${text}' renders to several lines`, 'It must be one line of text without tabs.');
  return rendered;
}
