import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Context } from '../context.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import type { Deployment, EngineRepository, EngineRequirements, OpenPort, OsSettings, WifiSettings } from './model.ts';
import { adoptFailure } from './recipe/components.ts';
import { namesOf } from './recipe/conditions.ts';
import { judgePassphrase, parseMinimum, parseSize } from './schema/os-words.ts';
import { judgePublicKey } from './schema/public-key.ts';
import type { RecipeInput } from './schema/recipe-schema.ts';
import type { SiteInput } from './schema/site-schema.ts';
import { UnresolvedSecret, fetchSecret } from './secrets.ts';
import type { Engine } from './template/engine.ts';
import { keyName, type Problems } from './yaml/problems.ts';
import type { Path } from './yaml/source-document.ts';

interface OsInputs {
  readonly site: SiteInput;
  readonly siteDirectory: string;
  readonly recipe: RecipeInput;
  readonly engine: Engine;
  readonly scope: object;
  /** Of whoever `~/` is. */
  readonly home: string;
}

/** The `os` of a site with defaults, key files read, and what the recipe adds; undefined where the site has none. */
export async function makeOs(inputs: OsInputs, siteProblems: Problems, recipeProblems: Problems): Promise<OsSettings | undefined> {
  const { site, siteDirectory, recipe } = inputs;
  if (!site.os) return undefined;
  const { base, hostname, size, wifi, ports, packages, engine, ...plain } = site.os;
  const sizeBytes = size === undefined ? undefined : parseSize(size);
  return {
    ...plain,
    base: /^https?:/.test(base) || !/[/.]/.test(base) ? base : path.resolve(siteDirectory, expandHome(base, inputs.home)),
    hostname: hostname ?? site.name,
    authorizedKeys: await readKeys(inputs, siteProblems),
    ...(engine === undefined ? {} : { engine: typeof engine === 'string' ? engine : engineRepository(engine, inputs) }),
    ...(wifi ? { wifi: makeWifi(wifi, siteDirectory, siteProblems) } : {}),
    packages: [...new Set([...recipePackages(recipe), ...packages])].sort(),
    ports: uniquePorts([...(await recipePorts(inputs, recipeProblems)), ...ports]),
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    requires: recipeRequirements(recipe),
  };
}

function engineRepository({ repository, key }: EngineRepository, { siteDirectory, home }: OsInputs): EngineRepository {
  const absolute = (file: string): string => path.resolve(siteDirectory, expandHome(file, home));
  return { repository: /^https?:/.test(repository) ? repository : absolute(repository), key: absolute(key) };
}

async function readKeys({ site, siteDirectory, home }: OsInputs, problems: Problems): Promise<string[]> {
  const keys: string[] = [];
  for (const [index, key] of (site.os?.authorizedKeys ?? []).entries()) {
    if (typeof key === 'string') keys.push(key.trim());
    else keys.push(...(await readKeyFile(path.resolve(siteDirectory, expandHome(key.file, home)), ['os', 'authorizedKeys', index, 'file'], problems)));
  }
  return [...new Set(keys)];
}

async function readKeyFile(file: string, at: Path, problems: Problems): Promise<string[]> {
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch {
    problems.add(at, 'E_MISSING_FILE', `The key file '${file}' cannot be read`, 'Name the .pub file of your key; `ssh-keygen -t ed25519` makes a pair.');
    return [];
  }
  const lines = /PRIVATE KEY/.test(content) ? [content] : content.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  if (lines.length === 0) problems.add(at, 'E_BAD_KEY', `The key file '${file}' is empty`, 'Name the .pub file of your key.');
  for (const line of lines) {
    const refusal = judgePublicKey(line);
    if (refusal) problems.add(at, refusal.code, `What \`${keyName(at)}\` names, '${file}', ${refusal.message}`, refusal.remedy);
  }
  return lines;
}

function makeWifi({ country, network }: NonNullable<NonNullable<SiteInput['os']>['wifi']>, directory: string, problems: Problems): WifiSettings {
  if (!network) return { country };
  const place = problems.document.placeOf(['os', 'wifi', 'network', 'passphrase']);
  return { country, network: { ssid: network.ssid, passphrase: new UnresolvedSecret('os.wifi.network.passphrase', network.passphrase, place, directory) } };
}

/** A template that renders to nothing opens no port. */
async function recipePorts({ recipe, engine, scope }: OsInputs, problems: Problems): Promise<OpenPort[]> {
  const ports: OpenPort[] = [];
  for (const [index, { port, protocol }] of (recipe.os?.ports ?? []).entries()) {
    const at = ['os', 'ports', index, 'port'];
    const before = problems.all.length;
    const render = () => engine.renderText(String(port), scope, problems.document.placeOf(at)).catch((error: unknown) => adoptFailure(error, at, problems));
    const rendered = typeof port === 'number' ? String(port) : (await render()).trim();
    if (problems.all.length > before || rendered === '') continue;
    const range = portRange(rendered);
    if (range) ports.push(...range.map((number) => ({ port: number, protocol })));
    else problems.add(at, 'E_BAD_VALUE', `The port '${port}' renders to '${rendered}'`, 'It must render to a number from 1 to 65535, to a range of at most 1000 (49152-49251), or to nothing: a variable of type port does.');
  }
  return ports;
}

/** The ports that `5222` or `49152-49251` means; undefined where it means none. */
function portRange(text: string): number[] | undefined {
  const [first = '', last = first, ...more] = text.split('-');
  const [low, high] = [Number(first), Number(last)];
  const isPort = (word: string, number: number) => /^\d+$/.test(word) && number >= 1 && number <= 65_535;
  if (more.length > 0 || !isPort(first, low) || !isPort(last, high) || high < low || high - low >= 1000) return undefined;
  return Array.from({ length: high - low + 1 }, (_, index) => low + index);
}

function uniquePorts(ports: readonly OpenPort[]): OpenPort[] {
  const byName = new Map(ports.map(({ port, protocol }) => [`${protocol}/${port}`, { port, protocol }]));
  return [...byName.values()].sort((a, b) => a.port - b.port || a.protocol.localeCompare(b.protocol));
}

/** Debian packages that the recipe needs on the host itself; each once, sorted. */
export function recipePackages({ os: recipeOs }: RecipeInput): string[] {
  return [...new Set(namesOf(recipeOs?.packages ?? []))].sort();
}

/** `os.requires` as plain versions: '24.0.0' of '>=24'. */
export function recipeRequirements({ os: recipeOs }: RecipeInput): EngineRequirements {
  const minimum = (name: 'engine' | 'compose') => {
    const version = parseMinimum(recipeOs?.requires[name] ?? '');
    return version === undefined ? {} : { [name]: version };
  };
  return { ...minimum('engine'), ...minimum('compose') };
}

/** `~/` at the beginning of a path is the home folder. */
export function expandHome(file: string, home: string): string {
  return file.replace(/^~(?=\/)/, home);
}

/** Whose `~/` a site's paths mean. */
export function homeDirectory({ environment }: Context): string {
  return environment['HOME'] ?? os.homedir();
}

/**
 * The `os` of a site, for what cannot be done without.
 * @throws ShipError E_MISSING_VALUE at the site file, exit status 2
 */
export function requireOs({ site }: Deployment): OsSettings {
  if (site.os) return site.os;
  throw new ShipError({
    code: 'E_MISSING_VALUE',
    message: 'The site does not describe a card: it has no `os`',
    remedy: 'Add at least who may log in:  os: {authorizedKeys: [{file: ~/.ssh/id_ed25519.pub}]}',
    place: { file: site.file },
    exitStatus: ExitStatus.usage,
  });
}

/**
 * The same settings with the Wi-Fi's passphrase fetched from where the site says.
 * @throws ShipError E_SECRET_UNAVAILABLE, E_BAD_PASSPHRASE (never with the value), exit status 2
 */
export async function resolveOsSecrets(context: Context, settings: OsSettings): Promise<OsSettings> {
  const network = settings.wifi?.network;
  if (!settings.wifi || !(network?.passphrase instanceof UnresolvedSecret)) return settings;
  const { place, variable } = network.passphrase;
  const passphrase = await fetchSecret(context, network.passphrase);
  const refusal = judgePassphrase(passphrase.reveal());
  if (refusal) throw new ShipError({ code: refusal.code, message: `The secret '${variable}' ${refusal.message}`, remedy: refusal.remedy, place, exitStatus: ExitStatus.usage });
  return { ...settings, wifi: { ...settings.wifi, network: { ...network, passphrase } } };
}
