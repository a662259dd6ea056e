import { z } from 'zod';

/** Members of a backup, in their order: this file, the volumes' trees, perhaps secrets, the checksums. */
export const backupManifestFile = 'backup.json';
export const volumesFolder = 'volumes';
export const secretsFolder = 'secrets';

/** `backup.json`: what a backup holds and where it comes from (docs/using/backup.md). */
export interface BackupManifest {
  readonly format: 1;
  /** The site's name, and the Compose project's. */
  readonly name: string;
  readonly domain: string;
  readonly host: string;
  readonly release: { readonly id: string; readonly version: string };
  readonly recipe: { readonly name: string; readonly version: string };
  readonly dataVersion: number;
  /** ISO 8601, UTC, by the clock of the machine that asked for it. */
  readonly time: string;
  /** False: services went on writing while it was copied. */
  readonly cold: boolean;
  readonly volumes: readonly { readonly name: string; readonly sizeBytes: number; readonly files: number }[];
  /** Names of the runtime secrets that are in it; empty unless asked for. */
  readonly secrets: readonly string[];
}

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);

export const backupManifestSchema: z.ZodType<BackupManifest> = z.strictObject({
  format: z.literal(1),
  name,
  domain: z.string(),
  host: z.string(),
  release: z.strictObject({ id: z.string(), version: z.string() }),
  recipe: z.strictObject({ name: z.string(), version: z.string() }),
  dataVersion: z.int().min(0),
  time: z.iso.datetime(),
  cold: z.boolean(),
  volumes: z.array(z.strictObject({ name, sizeBytes: z.int().min(0), files: z.int().min(0) })),
  secrets: z.array(name),
});
