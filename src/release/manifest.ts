import type { Digest } from '../oci/digest.ts';
import type { Platform } from '../oci/platform.ts';
import type { ProcessPolicy } from '../site/host/process-policy.ts';
import type { HostAction, HostCheck } from '../site/host/host-policy.ts';
import type { AccountCommands, DataPolicy, EngineRequirements, RetentionPolicy, RolloutPolicy } from '../site/model.ts';

/**
 * `release.json`: everything a release consists of, by digest. Its `id` is made of the rest of it, so the same inputs
 * have the same id, and an id names exactly one set of bytes.
 */
export interface ReleaseManifest {
  readonly format: 1;
  /** `VERSION-` and the first 12 hex digits of the sha256 of this manifest without `id`, in canonical JSON. */
  readonly id: string;
  /** The site's name, and the Compose project's. */
  readonly name: string;
  readonly version: string;
  readonly domain: string;
  readonly recipe: { readonly name: string; readonly version: string };
  readonly images: readonly ReleaseImage[];
  /** What is in the images, as CycloneDX; releases made before there was one have none. */
  readonly sbom?: ReleaseFile;
  readonly compose: ReleaseFile;
  readonly files: readonly RenderedReleaseFile[];
  readonly rollout: RolloutPolicy;
  readonly data: DataPolicy;
  /** What a host keeps once this release runs there; absent: everything. */
  readonly retention?: RetentionPolicy;
  /** What the host's engine must be able to do; absent: what the updater needs anyway. */
  readonly requires?: EngineRequirements;
  readonly accounts?: AccountCommands;
  /** What stands on the host itself, outside containers. */
  readonly host?: ReleaseHost;
  /** How its services run on a host without an engine; absent: it needs one. */
  readonly processes?: readonly ProcessPolicy[];
  /** Names of the secrets that a host must hold before this release can run; never their values. */
  readonly secrets: readonly string[];
  /** Those of them that a host makes itself when it has none. */
  readonly generatedSecrets?: readonly string[];
}

/** Files that a host gets outside containers, and what follows when one changed, came or went. */
export interface ReleaseHost {
  readonly files: readonly ReleaseHostFile[];
  /** In the order in which they run. */
  readonly actions: readonly HostAction[];
  readonly checks?: readonly HostCheck[];
}

export interface ReleaseHostFile {
  /** Absolute path on the host. */
  readonly path: string;
  /** `path` of one of the release's `files`, which has mode and owner. */
  readonly file: string;
  readonly action?: string;
}

/** A file of the release directory; `path` is relative to it, with forward slashes. */
export interface ReleaseFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly digest: Digest;
}

export interface RenderedReleaseFile extends ReleaseFile {
  readonly name: string;
  /** Octal permission bits: `0640`. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
}

/** One component for one platform: one archive. */
export interface ReleaseImage {
  readonly component: string;
  readonly platform: Platform;
  /**
   * `prose-ship/prosody:13.0.1-0123456789ab`: the tag is the component's version and a digest over the config digests of
   * all its platforms, so it never moves, and a service whose image did not change is not recreated by an update.
   */
  readonly reference: string;
  readonly configDigest: Digest;
  readonly diffIds: readonly Digest[];
  readonly archive: ReleaseFile;
  /** A few files inside the image, by which a device proves what it loaded; older releases have none. */
  readonly samples?: readonly ImageSample[];
}

/** One file of an image, as a container sees it. */
export interface ImageSample {
  /** Without a leading slash. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly digest: Digest;
}
