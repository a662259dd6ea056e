import path from 'node:path';
import type { ProvidedBase } from '../../build/bases.ts';
import type { BuildxOutput, BuildxStep } from '../../build/buildx.ts';
import type { Platform } from '../../oci/platform.ts';

/** Debian of the stage that lays out cards, and of the base `debian`. */
export const toolsBase = 'debian:trixie-slim';

const dockerfiles = path.resolve(import.meta.dirname, '../../../dockerfiles');
const dockerfile = path.join(dockerfiles, 'os-image.Dockerfile');
const contextDirectory = path.join(dockerfiles, 'os-image');

/** What of prose-ship an OS image is made by. */
export const osImageSources: readonly string[] = [dockerfile, contextDirectory];

/** Stages of dockerfiles/os-image.Dockerfile that have a result for us. */
export type OsImageTarget = 'inventory' | 'engine' | 'image';

export interface OsImageBuild {
  readonly platform: Platform;
  readonly sourceDateEpoch: number;
  readonly builder: { readonly builder?: string; readonly dockerHost?: string };
  readonly noCache: boolean;
  /** How the stage with the tools, and the base `debian`, come by their Debian. */
  readonly tools: { readonly base: ProvidedBase; readonly context?: string };
  /** Context with the base's root file system; absent: the base `debian`. */
  readonly rootfsContext?: string;
  readonly customiseDirectory: string;
  /** Folder that is the engine's apt repository while the card is made. */
  readonly engineRepository?: string;
}

/** One run of buildx on the stages of an OS image. Contexts that a target does not use may be anything. */
export function osImageStep(
  build: OsImageBuild,
  target: OsImageTarget,
  output: BuildxOutput,
  more: { readonly layoutDirectory?: string; readonly secretFiles?: Readonly<Record<string, string>> } = {},
): BuildxStep {
  const { base, context } = build.tools;
  const sources = base.kind === 'bootstrap' ? base.aptSourcesFile : undefined;
  // The engine is of this machine's architecture, the base's root is not; BuildKit looks at the contexts of all stages.
  const rootfs = target === 'engine' ? undefined : build.rootfsContext;
  const isDebian = rootfs === undefined;
  return {
    ...build.builder,
    contextDirectory,
    dockerfile,
    target,
    platforms: [build.platform],
    sourceDateEpoch: build.sourceDateEpoch,
    args: { OS_BASE: isDebian ? 'debian' : 'rootfs' },
    secretFiles: {
      ...(sources ? { 'apt-sources': sources, ...(isDebian ? { 'os-apt-sources': sources } : {}) } : {}),
      ...more.secretFiles,
    },
    namedContexts: {
      ...(context ? { [base.reference]: context } : {}),
      ...(rootfs ? { rootfs } : {}),
      customise: build.customiseDirectory,
      ...(build.engineRepository === undefined ? {} : { 'engine-repository': build.engineRepository }),
      ...(more.layoutDirectory ? { layout: more.layoutDirectory } : {}),
    },
    noCache: build.noCache,
    output,
  };
}
