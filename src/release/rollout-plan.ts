import semver from 'semver';
import { formatPlatform, platformSlug, samePlatform, type Platform } from '../oci/platform.ts';
import { encodedPart } from '../oci/digest.ts';
import type { ProcessPolicy } from '../site/host/process-policy.ts';
import type { Probe } from '../site/model.ts';
import type { ReleaseHost, ReleaseManifest } from './manifest.ts';

/** Where the plan of a platform stands in a release. */
export function planPath(platform: Platform): string {
  return `plans/${platformSlug(platform)}.plan`;
}

/** The platforms that a release has images for, each once. */
export function releasePlatforms({ images }: Pick<ReleaseManifest, 'images'>): Platform[] {
  const distinct = new Map(images.map(({ platform }) => [formatPlatform(platform), platform]));
  return [...distinct.values()];
}

/**
 * What the updater on a device does with a release, as lines of tab-separated fields: a shell reads it without a JSON
 * parser (docs/internals/device.md, Plan).
 */
export function rolloutPlan(manifest: ReleaseManifest, platform: Platform): string {
  const { id, name, version, recipe, images, files, secrets, rollout, requires = {}, data, retention, host, processes, generatedSecrets = [] } = manifest;
  const ours = images.filter((image) => samePlatform(image.platform, platform));
  const lines: (readonly (string | number)[])[] = [
    ['format', 1],
    ['id', id],
    ['name', name],
    ['version', version],
    ['recipe', recipe.name, recipe.version],
    ...upgradePaths(rollout.upgradeFrom).map((comparators) => ['upgrade-from', ...comparators]),
    ...(requires.engine ? [['requires', 'engine', requires.engine]] : []),
    ...(requires.compose ? [['requires', 'compose', requires.compose]] : []),
    ...ours.map((image) => ['image', image.component, image.reference, image.configDigest, image.diffIds.join(',')]),
    ...ours.flatMap(({ component, samples = [] }) =>
      samples.map((sample) => ['sample', component, sample.path, sample.sizeBytes, encodedPart(sample.digest)]),
    ),
    ...files.map((file) => ['file', hashOf(file.path), file.name, file.mode, file.uid, file.gid]),
    ...secrets.map((secret) => ['secret', secret, ...(generatedSecrets.includes(secret) ? ['generate'] : [])]),
    ...rollout.services.flatMap((service) => [
      ['service', service.name, service.component],
      ...(service.kind ? [[service.kind, service.name]] : []),
      ...service.probes.map((probe) => ['probe', service.name, probe.type, ...probeFields(probe)]),
      ...(service.startFirst ? [['order', service.name, 'start-first', service.startFirst.drainSeconds]] : []),
      ...(service.restartAfter ? [['restart-after', service.name, ...service.restartAfter]] : []),
      ...files.filter((file) => file.name === service.maintenancePage).map((file) => ['maintenance', service.name, hashOf(file.path), file.name]),
    ]),
    ['gate', rollout.timeoutSeconds, rollout.soakSeconds],
    ['data', data.version, ...data.volumes],
    // In one order, whether the manifest was made just now or read again.
    ...Object.entries(data.names ?? {}).sort().map(([key, kept]) => ['data-name', key, kept]),
    ...(data.rename ? [['data-rename', data.rename.service, ...data.rename.command]] : []),
    ...(host ? hostLines(host) : []),
    ...(processes ? [['engine', 'none'], ...processes.flatMap((process) => processLines(process, files))] : []),
    ...(retention ? [['retention', retention.releases, retention.diskBudgetBytes ?? 0]] : []),
  ];
  return lines.map((fields) => `${fields.join('\t')}\n`).join('');
}

/** How a service runs without an engine. */
function processLines({ service, entrypoint, command, environment, ports, stopSeconds }: ProcessPolicy, files: ReleaseManifest['files']): (readonly (string | number)[])[] {
  const script = files.find((file) => file.name === entrypoint);
  if (!script) throw new Error(`No file '${entrypoint}': a recipe is checked when it is loaded`);
  return [
    ['process', service, hashOf(script.path), script.name, stopSeconds],
    ['process-command', service, ...command],
    ...Object.entries(environment).map(([name, value]) => ['process-variable', service, name, value]),
    ...ports.map((port) => ['process-port', service, port]),
  ];
}

/** Files of the host itself; mode and owner stand in the `file` line of the same name. */
function hostLines({ files, actions, checks = [] }: ReleaseHost): (readonly (string | number)[])[] {
  return [
    ...files.map(({ path, file, action }) => ['hostfile', hashOf(file), nameOf(file), path, action ?? '-']),
    ...actions.flatMap(({ name, check, apply, timeoutSeconds }) => [
      ['action', name, timeoutSeconds],
      ...(check ? [['action-check', name, ...check]] : []),
      ['action-apply', name, ...apply],
    ]),
    ...checks.map(({ name, command }) => ['host-check', name, ...command]),
  ];
}

/**
 * A range as a shell can compare it: alternatives, each a list of comparators that must all hold. Pre-releases count like
 * any version, so that both sides come to the same.
 */
export function upgradePaths(range: string | undefined): readonly (readonly string[])[] {
  if (range === undefined) return [];
  return new semver.Range(range, { includePrerelease: true }).set.map((alternative) => alternative.map(({ value }) => value).filter((value) => value !== ''));
}

function probeFields(probe: Probe): readonly (string | number)[] {
  switch (probe.type) {
    case 'tcp':
      return [probe.host, probe.port];
    case 'http':
      return [probe.url, probe.status, ...(probe.json ? ['json', probe.json.path, probe.json.equals] : [])];
    case 'tls':
      return [probe.host, probe.port, probe.starttls, probe.name, probe.minimumDays, probe.trusted ? 'trusted' : 'any'];
    case 'xmpp':
      return [probe.host, probe.port, probe.domain];
    case 'command':
      return probe.command;
  }
}

/** Of `files/HASH/NAME`. */
function nameOf(path: string): string {
  return path.split('/')[2] ?? '';
}

/** Of `files/HASH/NAME`. */
function hashOf(path: string): string {
  return path.split('/')[1] ?? '';
}
