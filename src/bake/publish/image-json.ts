import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { ShipError } from '../../errors.ts';
import { digestOf } from '../../oci/digest.ts';
import { canonicalJson, readableJson } from '../../release/canonical-json.ts';
import type { OsImageLayout } from '../disk/inspect-image.ts';
import type { PartitionTable } from '../disk/partition-table.ts';
import { imageDescriptionSchema, type ImageDescription, type ImagePartition } from './image-description.ts';

/** The text of `image.json`, with its own digest in it. */
export function formatImageJson(description: Omit<ImageDescription, 'digest'>): string {
  return readableJson({ ...description, digest: descriptionDigest(description) });
}

function descriptionDigest(description: object): string {
  return digestOf(canonicalJson({ ...description, digest: undefined }));
}

/** The partitions as `image.json` lists them. */
export function describePartitions({ table, boot, root, fat, ext4 }: OsImageLayout): ImagePartition[] {
  return describeTable(table).partitions.map((partition) => {
    if (partition.number === boot.number) {
      const uuid = fat.volumeId.toUpperCase().replace(/^(.{4})(.{4})$/, '$1-$2');
      return { ...partition, fileSystem: { type: 'vfat', uuid, label: fat.label } };
    }
    if (partition.number === root.number) return { ...partition, fileSystem: { type: 'ext4', uuid: ext4.uuid, label: ext4.label } };
    return partition;
  });
}

/** The partition table alone, without looking into the partitions. */
export function describeTable({ kind, diskId, partitions }: PartitionTable): Pick<ImageDescription, 'partitionTable' | 'partitions'> {
  return {
    partitionTable: { type: kind, id: diskId },
    partitions: partitions.map(({ number, startBytes, sizeBytes, type, id }) => ({ number, startBytes, sizeBytes, type, ...(id ? { partitionUuid: id } : {}) })),
  };
}

/**
 * Reads an `image.json` and proves that it is what prose-ship wrote.
 * @throws ShipError E_IMAGE_FILES_MISSING when there is none; E_IMAGE_DAMAGED when it is another text
 */
export async function readImageJson(file: string): Promise<ImageDescription> {
  const name = path.basename(file);
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new ShipError({
      code: 'E_IMAGE_FILES_MISSING',
      message: `${name} is missing`,
      place: { file },
      remedy: 'Only images of `prose-ship bake` can be verified; keep the files beside the image together.',
      cause,
    });
  });
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw damaged(file, `${name} is not JSON`, cause);
  }
  const result = imageDescriptionSchema.safeParse(content);
  if (!result.success) throw damaged(file, `${name} is not a description of an image: ${z.prettifyError(result.error).replaceAll('\n', ' ')}`);
  const expected = descriptionDigest(result.data);
  if (result.data.digest !== expected) throw damaged(file, `${name} was changed: it calls itself ${result.data.digest}, its content is ${expected}`);
  if (readableJson(result.data) !== text) throw damaged(file, `${name} was changed: its content is not laid out as it was written`);
  return result.data;
}

function damaged(file: string, message: string, cause?: unknown): ShipError {
  return new ShipError({
    code: 'E_IMAGE_DAMAGED',
    message,
    place: { file },
    remedy: 'Bake it again with `prose-ship bake`, or copy all its files again from where they came.',
    cause,
  });
}
