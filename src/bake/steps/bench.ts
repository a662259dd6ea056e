import type { BasesProvider } from '../../build/plan.ts';
import type { Engine } from '../../host/engine/engine.ts';
import type { Release } from '../../release/read-release.ts';
import type { Secret } from '../../secret.ts';
import type { OsSettings } from '../../site/model.ts';
import type { CardBase } from '../assemble/card-base.ts';
import type { CardLayout, Measure } from '../assemble/card-layout.ts';
import type { OsImageBuild } from '../assemble/os-image-build.ts';
import type { EngineSource } from '../engine-source/engine-source.ts';
import type { Customisation } from '../customise/write-customisation.ts';
import type { BakePlan, Preload } from '../plan-bake.ts';
import type { FilledStore } from '../preload/fill-store.ts';
import type { PublishedImage } from '../publish/publish-image.ts';

export interface BakeInputs {
  readonly plan: BakePlan;
  readonly os: OsSettings;
  readonly release: Release;
  /** Opened at the first call, the same at later ones. */
  readonly engine: () => Promise<Engine>;
  readonly bases: BasesProvider;
  readonly sourceDateEpoch: number;
  readonly builder?: string;
  /** Also: bake though nothing changed. */
  readonly noCache: boolean;
  /** `card-secrets`: a tar in base64 of what setup.sh finds in PROSE_SHIP_SECRETS_DIR; absent: the card has none. */
  readonly secrets: Readonly<Record<string, Secret>>;
  readonly toolVersion: string;
  readonly urlBase?: string;
}

export interface BakedImage extends PublishedImage {
  /** What a person flashes. */
  readonly file: string;
  readonly preload: Preload;
  /** It lay there from an earlier bake of the same inputs. */
  readonly unchanged: boolean;
}

/** What the tasks hand on to one another. */
export interface Bench {
  readonly directory: string;
  base?: CardBase;
  engineSource?: EngineSource;
  build?: OsImageBuild;
  customisation?: Customisation;
  store?: FilledStore;
  preload: Preload;
  content?: Measure & { readonly bootBytes: number };
  layout?: CardLayout;
  inputs: string | undefined;
  isUnchanged: boolean;
}

export function made<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('unreachable: an earlier task made it');
  return value;
}

/** What a person flashes: the compressed image where there is one. */
export function imageFileOf({ imageFile, compression }: BakePlan): string {
  return compression.kind === 'xz' ? `${imageFile}.xz` : imageFile;
}
