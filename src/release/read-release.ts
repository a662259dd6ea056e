import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { ExitStatus, ShipError } from '../errors.ts';
import { digestOf, shortDigest } from '../oci/digest.ts';
import { canonicalJson } from './canonical-json.ts';
import type { ReleaseManifest } from './manifest.ts';
import { releaseManifestSchema } from './manifest-schema.ts';

export const manifestFile = 'release.json';

/** A release directory whose manifest has been read and checked; its files are checked by `verifyRelease`. */
export interface Release {
  readonly directory: string;
  readonly manifest: ReleaseManifest;
}

/** `VERSION-` and 12 hex digits over everything else in the manifest. */
export function releaseId(manifest: Omit<ReleaseManifest, 'id'>): string {
  return `${manifest.version}-${shortDigest(digestOf(canonicalJson({ ...manifest, id: undefined })))}`;
}

/** @throws ShipError E_NO_RELEASE when there is none, E_RELEASE_DAMAGED when release.json is not what its id says */
export async function readRelease(directory: string): Promise<Release> {
  const file = path.join(directory, manifestFile);
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new ShipError({
      code: 'E_NO_RELEASE',
      message: `There is no release in '${directory}'`,
      place: { file },
      remedy: 'Make one with `prose-ship release`, or name its folder with --release DIR.',
      exitStatus: ExitStatus.usage,
      cause,
    });
  });
  const manifest = parseManifest(file, text);
  const expected = releaseId(manifest);
  if (manifest.id !== expected) {
    throw damagedRelease(directory, [`release.json was changed: it calls itself ${manifest.id}, its content is ${expected}`]);
  }
  return { directory, manifest };
}

function parseManifest(file: string, text: string): ReleaseManifest {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw damagedRelease(path.dirname(file), ['release.json is not JSON']);
  }
  const result = releaseManifestSchema.safeParse(content);
  if (!result.success) throw damagedRelease(path.dirname(file), z.prettifyError(result.error).split('\n'));
  return result.data;
}

export function damagedRelease(directory: string, problems: readonly string[]): ShipError {
  return new ShipError({
    code: 'E_RELEASE_DAMAGED',
    message: `The release in '${directory}' is damaged: ${problems[0] ?? ''}`,
    ...(problems.length > 1 ? { output: problems.join('\n') } : {}),
    place: { file: directory },
    remedy: 'Make it again with `prose-ship release`, or copy it again from where it came.',
  });
}
