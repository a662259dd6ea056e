import { constants, copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { devicePaths } from '../../device/files.ts';
import type { Platform } from '../../oci/platform.ts';
import type { ReleaseManifest } from '../../release/manifest.ts';
import { uploadFiles } from '../../release/upload-files.ts';

export interface ReleaseForCard {
  readonly manifest: ReleaseManifest;
  readonly releaseDirectory: string;
  readonly platform: Platform;
  readonly preload: 'store' | 'archive';
}

/**
 * Lays a release below `root` as an upload looks after `receive` (docs/internals/device.md): with this platform's archives for
 * `archive`, with none for `store`, where the engine has the images already.
 * @returns the paths of its files below `root`
 * @throws ShipError E_WRONG_ARCHITECTURE when the release has nothing for the platform, exit status 3
 */
export async function layRelease(root: string, { manifest, releaseDirectory, platform, preload }: ReleaseForCard): Promise<string[]> {
  const directory = path.posix.join(devicePaths.releasesDirectory.slice(1), manifest.id);
  const laid: string[] = [];
  for (const file of await uploadFiles({ directory: releaseDirectory, manifest }, { platform, archives: preload === 'archive' })) {
    const name = path.posix.join(directory, file.path);
    const target = path.join(root, name);
    await mkdir(path.dirname(target), { recursive: true });
    if (file.kind === 'copy') await copyFile(file.source, target, constants.COPYFILE_FICLONE);
    else await writeFile(target, file.content);
    laid.push(name);
  }
  return laid;
}
