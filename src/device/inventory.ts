import { ShipError } from '../errors.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import { parsePlatform, type Platform } from '../oci/platform.ts';

/** What a device has, as `updater inventory` told it. */
export interface HostInventory {
  readonly updaterVersion: number;
  /** `uname -m`. */
  readonly machine: string;
  /** The platforms whose containers it runs, the preferred one first. */
  readonly platforms: readonly Platform[];
  readonly engineVersion: string;
  /** `overlay2` or `containerd`; other storage drivers by their name. */
  readonly store: string;
  readonly composeVersion: string;
  readonly currentId?: string;
  readonly previousId?: string;
  readonly journal?: { readonly state: string; readonly id: string };
  /** It has a file of allowed signers: a release that none of them signed is refused. */
  readonly requiresSignature?: boolean;
  /** The first folder that it needs to write to and cannot, where there is one. */
  readonly readOnlyPath?: string;
  /** Free space of /var/lib/prose-ship. */
  readonly freeBytes: number;
  /** Free space where the engine keeps its images. */
  readonly engineFreeBytes: number;
  readonly chains: readonly ImageChain[];
  readonly releases: readonly KeptRelease[];
  /** Under which names the current release keeps its data, by key; of an older release the domain alone. */
  readonly dataNames?: Readonly<Record<string, string>>;
}

export interface KeptRelease {
  readonly id: string;
  readonly version: string;
  /** Absent: an older updater. */
  readonly dataVersion?: number;
  /** Absent: a release whose plan does not tell it. */
  readonly recipe?: { readonly name: string; readonly version: string };
}

/** Layers that an archive for this device may leave out, from the bottom up. */
export interface ImageChain {
  readonly diffIds: readonly Digest[];
  /** Name of the image, or its id where it has no name. */
  readonly reference: string;
}

/** The version of the format that this reader understands. */
const knownFormat = '1';

/**
 * Reads the lines of `updater inventory`; keys that it does not know are left out, so that a newer updater can add some.
 * @throws ShipError E_INVENTORY when the output is of another format or lacks a value
 */
export function parseInventory(output: string): HostInventory {
  const lines = output.split('\n').filter((line) => line !== '').map((line) => line.split('\t'));
  const fieldsOf = (key: string) => lines.filter(([name]) => name === key).map(([, ...fields]) => fields);
  const find = (key: string) => fieldsOf(key)[0]?.[0];
  const require = (key: string) => find(key) ?? fail(`no line '${key}'`, output);
  const requireNumber = (key: string) => {
    const value = require(key);
    return /^\d+$/.test(value) ? Number(value) : fail(`'${key}' is '${value}', not a number`, output);
  };
  if (find('format') !== knownFormat) fail(`format ${find('format') ?? 'missing'}, known is ${knownFormat}`, output);
  const [journal] = fieldsOf('journal');
  const currentId = find('current');
  const previousId = find('previous');
  const readOnlyPath = find('read-only');
  const names = fieldsOf('data-name').map(([key = '', name = '']) => [key, name] as const);
  return {
    updaterVersion: requireNumber('updater'),
    machine: require('machine'),
    platforms: fieldsOf('platform').map(([slug]) => parseSlug(slug ?? '') ?? fail(`platform '${slug ?? ''}'`, output)),
    engineVersion: require('engine'),
    store: require('store'),
    composeVersion: require('compose'),
    ...(currentId ? { currentId } : {}),
    ...(previousId ? { previousId } : {}),
    ...(journal?.[0] && journal[1] ? { journal: { state: journal[0], id: journal[1] } } : {}),
    ...(find('signers') === undefined ? {} : { requiresSignature: true }),
    ...(readOnlyPath ? { readOnlyPath } : {}),
    freeBytes: requireNumber('free'),
    engineFreeBytes: requireNumber('engine-free'),
    chains: fieldsOf('chain').map(([chain = '', reference = '']) => {
      const diffIds = chain.split(',').filter(isDigest);
      if (diffIds.length !== chain.split(',').length || !reference) fail(`chain of '${reference}'`, output);
      return { diffIds, reference };
    }),
    ...(names.length > 0 ? { dataNames: Object.fromEntries(names) } : {}),
    releases: fieldsOf('release').map(([id = '', version = '', data = '', recipe = '', recipeVersion = '']) => ({
      id,
      version,
      ...(/^\d+$/.test(data) ? { dataVersion: Number(data) } : {}),
      ...(recipe && recipeVersion ? { recipe: { name: recipe, version: recipeVersion } } : {}),
    })),
  };
}

/** `linux-arm-v7`, as plans are named. */
function parseSlug(slug: string): Platform | undefined {
  return parsePlatform(slug.replaceAll('-', '/'));
}

function fail(problem: string, output: string): never {
  throw new ShipError({
    code: 'E_INVENTORY',
    message: `The device's inventory cannot be read: ${problem}`,
    remedy: 'Run `prose-ship provision` for this host: it installs the updater that fits.',
    output: output.split('\n').slice(0, 20).join('\n'),
  });
}
