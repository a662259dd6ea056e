import { LineCounter, isAlias, isMap, isNode, isScalar, parseDocument, visit, type Node, type YAMLMap } from 'yaml';
import { ExitStatus, ShipError, type Place } from '../../errors.ts';
import type { Recipe, ServicePolicy } from '../model.ts';
import { suggest } from '../yaml/nearest.ts';
import { checkStartFirst } from './start-first-check.ts';

export interface ComposeExpectations {
  /** The site's name. */
  readonly project: string;
  readonly recipe: Recipe;
  /** Component name → pinned reference. */
  readonly references: ReadonlyMap<string, string>;
  /** Where a line of the rendered text stands in the template. */
  readonly placeOf: (line: number, column: number) => Place;
}

/** Everything in a rendered Compose file that would make a release or an update go wrong (Compose Specification). */
export function checkCompose(text: string, expected: ComposeExpectations): ShipError[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2' });
  const found: ShipError[] = [];
  const placeAt = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return expected.placeOf(Math.max(line, 1), Math.max(col, 1));
  };
  const add: Add = (node, code, message, remedy) =>
    found.push(new ShipError({ code, message, remedy, place: placeAt(isNode(node) ? (node.range?.[0] ?? 0) : 0), exitStatus: ExitStatus.usage }));

  for (const error of document.errors) {
    const remedy = 'Look at the line that the template renders to; put values from outside through `| json`, which quotes them.';
    found.push(new ShipError({ code: 'E_YAML', message: `The rendered Compose file is not YAML: ${error.message}`, remedy, place: placeAt(error.pos[0]), exitStatus: ExitStatus.usage }));
  }
  if (found.length > 0) return found;

  checkTop(document.contents, expected, add);
  const services = document.get('services', true);
  if (isMap(services)) checkServices(services, expected, add);
  visit(document, {
    Scalar: (_, node) => {
      if (typeof node.value === 'string' && /(?<!\$)(?:\$\$)*\$(?!\$)/.test(node.value)) {
        add(node, 'E_COMPOSE_INTERPOLATION', `Compose would replace the \`$\` in '${node.value}' from the environment of the host`, 'Write `$$` for a dollar sign; use a variable of the recipe, {{ name }}, for a value.');
      }
    },
  });
  return found;
}

type Add = (node: unknown, code: ShipError['code'], message: string, remedy: string) => void;

function checkTop(top: unknown, { project, recipe }: ComposeExpectations, add: Add): void {
  if (!isMap(top)) { add(top, 'E_COMPOSE', 'The Compose file has no services', 'See docs/recipes/writing-a-recipe.md.'); return; }
  if (top.get('name') !== project) {
    add(keyOf(top, 'name') ?? top, 'E_COMPOSE_NAME', 'The Compose file does not carry the name of the site', 'Begin it with `name: {{ site.name | json }}`, so that Compose run by hand on the host means the same project.');
  }
  if (top.has('include')) add(keyOf(top, 'include'), 'E_COMPOSE_INCLUDE', '`include` names a file that is not part of the release', 'Write everything into the one Compose template.');
  if (!isMap(top.get('services'))) add(keyOf(top, 'services') ?? top, 'E_COMPOSE', 'The Compose file has no services', 'List them under `services`.');
  const volumes = top.get('volumes', true);
  for (const name of recipe.data.volumes) {
    const volume = isMap(volumes) ? keyOf(volumes, name) : undefined;
    if (!volume) {
      const names = isMap(volumes) ? keysOf(volumes) : [];
      add(keyOf(top, 'volumes') ?? top, 'E_UNKNOWN_VOLUME', `\`data.volumes\` of the recipe names '${name}', which the Compose file does not have`, suggest(name, names, 'Its volumes'));
      continue;
    }
    const body = isMap(volumes) ? volumes.get(name) : undefined;
    if (isMap(body) && (body.has('name') || body.has('external'))) {
      add(volume, 'E_COMPOSE_VOLUME', `The volume '${name}' has a name of its own`, 'Remove `name` and `external`: the updater finds volumes by the name that Compose gives them.');
    }
  }
}

function checkServices(services: YAMLMap, expected: ComposeExpectations, add: Add): void {
  const { recipe, references } = expected;
  const names = keysOf(services);
  for (const { name } of recipe.rollout.services) {
    if (names.includes(name)) continue;
    add(services, 'E_UNKNOWN_SERVICE', `\`rollout\` of the recipe names the service '${name}', which the Compose file does not have`, suggest(name, names, 'Its services'));
  }
  for (const name of names) {
    const key = keyOf(services, name);
    const policy = recipe.rollout.services.find((service) => service.name === name);
    if (!policy) {
      add(key, 'E_UNKNOWN_SERVICE', `The service '${name}' is not in \`rollout.services\` of the recipe`, 'Add it there: the updater starts what is listed there, in that order.');
      continue;
    }
    const service = services.get(name);
    if (!isMap(service)) {
      add(key, 'E_COMPOSE', `The service '${name}' is empty`, `Give it an image: {{ '${policy.component}' | image | json }}`);
      continue;
    }
    checkService(policy, key, service, references.get(policy.component), add);
    if (policy.startFirst) checkStartFirst({ name, key, service, dataVolumes: recipe.data.volumes }, add);
  }
}

function checkService({ name, component, kind }: ServicePolicy, key: Node | undefined, service: YAMLMap, reference: string | undefined, add: Add): void {
  const refused: Record<string, [string, string]> = {
    build: ['builds on the host', 'Remove it: images are built beforehand and named by `image`.'],
    container_name: ['has a fixed container name', 'Remove it: while an update runs there are two containers, and `docker compose logs SERVICE` needs no name.'],
    extends: ['takes from another file', 'Write everything into the one Compose template.'],
    env_file: ['reads a file that is not part of the release', 'Put the values under `environment`, or mount a rendered file.'],
    profiles: ['runs only in some profiles', 'Leave the service out by {% if %} in place of profiles.'],
    scale: ['runs more than once', 'The updater runs one container of each service.'],
  };
  for (const [forbidden, [what, remedy]] of Object.entries(refused)) {
    if (service.has(forbidden)) add(keyOf(service, forbidden), `E_COMPOSE_${forbidden.toUpperCase()}`, `The service '${name}' ${what} (\`${forbidden}\`)`, remedy);
  }
  if (service.get('image') !== reference) {
    const image: unknown = service.get('image');
    add(service.get('image', true) ?? key, 'E_IMAGE_NOT_PINNED', typeof image !== 'string' ? `The service '${name}' has no image` : `The service '${name}' runs '${image}', not the image of the component '${component}'`, `Write image: {{ '${component}' | image }}`);
  }
  checkRestart({ name, kind: kind ?? 'daemon' }, key, service, add);
  checkMounts(name, service, add);
}

function checkRestart({ name, kind }: { name: string; kind: 'daemon' | 'oneshot' }, key: Node | undefined, service: YAMLMap, add: Add): void {
  const restart = service.get('restart');
  const stays = restart === undefined || restart === false || restart === 'no';
  if (kind === 'oneshot') {
    if (stays || (typeof restart === 'string' && restart.startsWith('on-failure'))) return;
    add(keyOf(service, 'restart'), 'E_RESTART', `The one-shot service '${name}' would run again whenever it ends`, "Write `restart: 'no'`, or `on-failure`.");
  } else if (stays) {
    add(keyOf(service, 'restart') ?? key, 'E_NO_RESTART', `The service '${name}' would stay down after a crash or a restart of the device`, 'Add `restart: unless-stopped`.');
  }
}

function checkMounts(name: string, service: YAMLMap, add: Add): void {
  const volumes = service.get('volumes');
  for (const item of isNode(volumes) && 'items' in volumes ? volumes.items : []) {
    const from: unknown = isMap(item) ? item.get('source') : isScalar(item) ? sourceOf(item.value) : undefined;
    if (typeof from === 'string' && /^[.~]/.test(from)) {
      add(item, 'E_RELATIVE_MOUNT', `The service '${name}' mounts '${from}', which is not part of the release`, "Mount a rendered file, {{ 'NAME' | file }}, a named volume, or an absolute path.");
    }
  }
}

function sourceOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value.split(':')[0] : undefined;
}

function keyOf(map: YAMLMap, name: string): Node | undefined {
  const key = map.items.find((item) => isScalar(item.key) && item.key.value === name)?.key;
  return isNode(key) && !isAlias(key) ? key : undefined;
}

function keysOf(map: YAMLMap): string[] {
  return map.items.flatMap((item) => (isScalar(item.key) && typeof item.key.value === 'string' ? [item.key.value] : []));
}
