import semver from 'semver';
import type { HostInventory } from '../device/inventory.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import type { UpdatePlan } from './plan-update.ts';

/**
 * Whether this release may follow the one that runs, on the engine that is there. The updater asks the same before it stops
 * anything (src/device/updater.d/rollout/versions.sh).
 * @throws ShipError with exit status 3: E_WRONG_ENGINE, E_ENGINE_TOO_OLD, E_COMPOSE_TOO_OLD, E_DATA_TOO_NEW, E_UPGRADE_PATH,
 * E_DOMAIN_CHANGED, E_RENAME_IMPOSSIBLE
 */
export function checkVersions(plan: UpdatePlan, inventory: HostInventory, { renameDomain = false } = {}): void {
  if (isForThisKind(plan, inventory)) checkEngine(plan, inventory);
  if (!plan.current || plan.current.id === plan.release) return;
  checkData(plan);
  checkUpgradePath(plan);
  checkNames(plan, renameDomain);
}

/** Whether there is an engine to ask about: none on hosts without one, which take releases for such hosts alone. */
function isForThisKind({ host, version, conditions: { withoutEngine = false } }: UpdatePlan, { engineVersion }: HostInventory): boolean {
  const hasEngine = engineVersion !== 'none';
  if (hasEngine !== withoutEngine) return hasEngine;
  throw hasEngine
    ? refusal('E_WRONG_ENGINE', `${host} has a Docker engine, release ${version} is for hosts without one`, 'Choose another `profile` in the site file and make the release again.')
    : refusal('E_WRONG_ENGINE', `${host} has no engine, release ${version} needs one`, 'Choose a `profile` with `engine: none` in the site file and make the release again.');
}

function checkEngine({ host, version, conditions }: UpdatePlan, { engineVersion, composeVersion }: HostInventory): void {
  const parts = [
    { code: 'E_ENGINE_TOO_OLD', what: 'Docker Engine', found: engineVersion, needed: conditions.engine },
    { code: 'E_COMPOSE_TOO_OLD', what: 'Docker Compose', found: composeVersion, needed: conditions.compose },
  ] as const;
  for (const { code, what, found, needed } of parts) {
    // Debian's versions, 26.1.5+dfsg1 and 2.26.1-4, are no pre-releases.
    if (semver.gte(semver.coerce(found) ?? '0.0.0', needed)) continue;
    throw refusal(
      code,
      `${host} has ${found ? `${what} ${found}` : `no ${what}`}, release ${version} needs ${needed} or newer`,
      `Install a newer one there (docs.docker.com/engine/install), then run this again.`,
    );
  }
}

function checkData({ host, version, current, conditions: { dataVersion } }: UpdatePlan): void {
  if (current?.dataVersion === undefined || dataVersion >= current.dataVersion) return;
  throw refusal(
    'E_DATA_TOO_NEW',
    `The data on ${host} has version ${current.dataVersion}, release ${version} reads version ${dataVersion}`,
    `\`prose-ship rollback ${host}\` returns to a release that was there before, and puts back its data; --allow-downgrade does not help here.`,
  );
}

/** A release that does not tell its recipe was made before there was such a rule: nothing can be asked of it. */
function checkUpgradePath({ host, version, current, conditions: { recipe, upgradeFrom } }: UpdatePlan): void {
  if (upgradeFrom === undefined || !current?.recipe) return;
  const { name, version: running } = current.recipe;
  if (name === recipe.name && semver.satisfies(running, upgradeFrom, { includePrerelease: true })) return;
  throw refusal(
    'E_UPGRADE_PATH',
    `${host} runs version ${running} of the recipe '${name}'; release ${version} can only follow '${recipe.name}' ${upgradeFrom}`,
    name === recipe.name
      ? `Update ${host} to a release of a version in between first.`
      : `Check \`recipe\` in the site file: ${host} runs another one.`,
  );
}

/** Under another domain the release would find none of its data, and start empty. */
function checkNames({ host, version, conditions: { rename } }: UpdatePlan, renameDomain: boolean): void {
  if (!rename || (renameDomain && rename.impossible === undefined)) return;
  const changes = rename.changes.map(({ from, to }) => `${from} -> ${to}`).join(', ');
  const message = `Release ${version} keeps its data under other names than what runs on ${host}: ${changes}`;
  if (rename.impossible !== undefined) throw refusal('E_RENAME_IMPOSSIBLE', `${message}. ${rename.impossible}`, 'Put the old names back into the site file (docs/using/rename.md).');
  throw refusal(
    'E_DOMAIN_CHANGED',
    message,
    'Without its data it would start empty. If the new names are meant, add --rename-domain: data is copied, then renamed (docs/using/rename.md says what does not follow). Else put the old ones back into the site file.',
  );
}

function refusal(code: ShipError['code'], message: string, remedy: string): ShipError {
  return new ShipError({ code, message, remedy, exitStatus: ExitStatus.preflight });
}
