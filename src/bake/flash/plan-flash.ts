import { stat } from 'node:fs/promises';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { mappedBytes, type BlockMap } from '../block-map/block-map.ts';
import { openImageStream, type ImageFormat } from '../image-stream.ts';
import { findBmap } from './find-bmap.ts';
import { inspectTarget } from './target/inspect-target.ts';
import { refusal } from './target/refusals.ts';
import { opensDirectly } from './target-file.ts';
import type { FlashTarget } from './target/flash-target.ts';

export interface FlashOptions {
  readonly image: string;
  /** A disk, or a plain file, which is made where there is none. */
  readonly device: string;
  /** Instead of the map beside the image. */
  readonly bmap?: string;
  readonly force?: boolean;
}

export interface FlashPlan {
  readonly image: { readonly file: string; readonly format: ImageFormat; readonly sizeBytes?: number };
  /** Absent: everything is written. */
  readonly bmap?: { readonly file: string; readonly map: BlockMap };
  readonly target: FlashTarget;
  /** What will be written; absent where neither map nor image tells. */
  readonly plannedBytes?: number;
  /** Whether writing and reading back go past the page cache. */
  readonly direct: boolean;
}

/**
 * Looks at image, map and device, and touches none of them.
 * @throws ShipError what `openImageStream`, `findBmap`, `inspectTarget` and `refusal` refuse, and E_BMAP_MISMATCH
 */
export async function planFlash(context: Context, options: FlashOptions): Promise<FlashPlan> {
  const { stream, format, sizeBytes: unpackedBytes } = await openImageStream(options.image);
  stream.destroy();
  const bmap = await findBmap(options.image, options.bmap);
  const sizeBytes = unpackedBytes ?? bmap?.map.imageSizeBytes;
  if (bmap && sizeBytes !== bmap.map.imageSizeBytes) throw mismatch(bmap.file, bmap.map.imageSizeBytes, sizeBytes ?? 0);
  const target = await inspectTarget(context, options.device);
  const image = await stat(options.image);
  const same = await stat(target.path).then(({ dev, ino }) => dev === image.dev && ino === image.ino, () => false);
  const refused = refusal(target, {
    ...(sizeBytes === undefined ? {} : { imageSizeBytes: sizeBytes }),
    imageDeviceNumber: deviceNumber(image.dev),
    imageIsTarget: same,
    force: options.force ?? false,
  });
  if (refused) throw refused;
  const plannedBytes = bmap ? mappedBytes(bmap.map) : sizeBytes;
  return Object.freeze({
    image: { file: options.image, format, ...(sizeBytes === undefined ? {} : { sizeBytes }) },
    ...(bmap ? { bmap } : {}),
    target,
    ...(plannedBytes === undefined ? {} : { plannedBytes }),
    direct: await opensDirectly(target),
  });
}

/** `8:1` of a stat's number (makedev(3), glibc). */
function deviceNumber(dev: number): string {
  const value = BigInt(dev);
  const major = ((value >> 8n) & 0xfffn) | ((value >> 32n) & 0xfffff000n);
  const minor = (value & 0xffn) | ((value >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

function mismatch(file: string, mapBytes: number, imageBytes: number): ShipError {
  return new ShipError({
    code: 'E_BMAP_MISMATCH',
    message: `The block map is of an image with ${mapBytes} bytes; this one has ${imageBytes}`,
    place: { file },
    remedy: 'It belongs to another image: name the right one with --bmap, or move it away; then everything is written.',
    exitStatus: ExitStatus.usage,
  });
}
