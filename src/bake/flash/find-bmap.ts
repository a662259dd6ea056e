import { readFile } from 'node:fs/promises';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { BlockMap } from '../block-map/block-map.ts';
import { parseBmap } from '../block-map/bmap.ts';

export interface FoundMap {
  readonly file: string;
  readonly map: BlockMap;
}

/** Where the block map of an image may lie: `x.img.xz` → `x.img.xz.bmap`, `x.img.bmap`, `x.bmap`. */
export function bmapCandidates(image: string): readonly string[] {
  const unpacked = image.replace(/\.(xz|zst|gz|zip)$/i, '');
  return [...new Set([image, unpacked, unpacked.replace(/\.img$/i, '')])].map((name) => `${name}.bmap`);
}

/**
 * The block map named, else the first beside the image, else undefined.
 * @throws ShipError E_BMAP (not a block map, or it was changed), E_BMAP_NOT_FOUND (the one named)
 */
export async function findBmap(image: string, named: string | undefined): Promise<FoundMap | undefined> {
  for (const file of named === undefined ? bmapCandidates(image) : [named]) {
    const xml = await readFile(file, 'utf8').catch((caught: unknown) => {
      const error = caught as NodeJS.ErrnoException;
      if (error.code === 'ENOENT' && named === undefined) return undefined;
      throw new ShipError({
        code: 'E_BMAP_NOT_FOUND',
        message: `The block map cannot be read: ${error.message}`,
        place: { file },
        remedy: 'Check the path, or leave out --bmap: then everything is written.',
        exitStatus: ExitStatus.usage,
      });
    });
    if (xml !== undefined) return { file, map: parseBmap(xml, file) };
  }
  return undefined;
}
