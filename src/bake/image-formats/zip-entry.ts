import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { openPromise, type Entry, type ZipFile } from 'yauzl';
import { corrupt, unsupported } from './image-error.ts';

/**
 * The image in a zip: its only entry ending in .img, or its only file.
 * @throws ShipError E_IMAGE_CORRUPT, E_IMAGE_FORMAT (none or several, encrypted, compressed once more)
 */
export async function findZipImage(file: string): Promise<Entry> {
  const zip = await openZip(file);
  try {
    const files: Entry[] = [];
    for await (const entry of zip.eachEntry()) if (!entry.fileName.endsWith('/')) files.push(entry);
    return choose(file, files);
  } catch (error) {
    throw error instanceof Error && error.name === 'ShipError' ? error : corrupt(file, `its zip directory is broken (${messageOf(error)})`, error);
  } finally {
    zip.close();
  }
}

function openZip(file: string): Promise<ZipFile> {
  return openPromise(file, { autoClose: false, lazyEntries: true }).catch((error: unknown) => {
    throw corrupt(file, `its zip directory cannot be read (${messageOf(error)})`, error);
  });
}

function choose(file: string, files: readonly Entry[]): Entry {
  const images = files.filter(({ fileName }) => /\.img$/i.test(fileName));
  const [entry, second] = images.length > 0 ? images : files;
  const remedy = 'Unpack it and name the image itself.';
  if (!entry) throw unsupported(file, 'the zip holds no file', remedy);
  if (second) throw unsupported(file, `the zip holds several files ('${entry.fileName}', '${second.fileName}'), so it is not clear which is the image`, remedy);
  if (/\.(xz|zst|gz|bz2|zip)$/i.test(entry.fileName)) throw unsupported(file, `'${entry.fileName}' in the zip is compressed once more`, remedy);
  if ((entry.generalPurposeBitFlag & 1) === 1) throw unsupported(file, `'${entry.fileName}' in the zip is encrypted`, remedy);
  return entry;
}

/**
 * The library checks sizes but no checksums.
 * @throws ShipError E_IMAGE_CORRUPT
 */
export async function* readZipEntry(file: string, entry: Entry): AsyncGenerator<Buffer, void> {
  const zip = await openZip(file);
  let sum = 0;
  try {
    const stream: Readable = await zip.openReadStreamPromise(entry, {});
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      sum = crc32(chunk, sum);
      yield chunk;
    }
  } catch (error) {
    throw corrupt(file, `'${entry.fileName}' in it does not unpack (${messageOf(error)})`, error);
  } finally {
    zip.close();
  }
  if (sum !== entry.crc32) throw corrupt(file, `'${entry.fileName}' in it has not the checksum that the zip tells`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
