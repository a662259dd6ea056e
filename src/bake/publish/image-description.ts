import { z } from 'zod';

/** `NAME.image.json`: what an OS image is, for programs. Every number of it can be checked against the files beside it. */

const sizeBytes = z.int().min(0);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'not 64 lower-case hex digits');
/** Beside image.json, so that no damaged one makes us read elsewhere. */
const fileName = z.string().regex(/^[\w][\w.+~-]*$/, 'not a plain file name');

const file = {
  path: fileName.describe('Name of the file, beside this one.'),
  sizeBytes: sizeBytes.describe('Its size in bytes.'),
  sha256: sha256.describe('sha256 of its content, in lower-case hexadecimal.'),
};

const fileSystem = z.strictObject({
  type: z.enum(['vfat', 'ext4']).describe('Kind of file system.'),
  uuid: z.string().describe('UUID; for vfat the volume ID, as blkid prints it.'),
  label: z.string().describe('Label; may be empty.'),
});

const partition = z.strictObject({
  number: z.int().min(1).describe('Number, from 1.'),
  startBytes: sizeBytes.describe('Where it begins in the image, in bytes.'),
  sizeBytes: sizeBytes.describe('Its size in bytes.'),
  type: z.string().describe('MBR: type as two hex digits; GPT: type GUID in upper case.'),
  partitionUuid: z.string().exactOptional().describe('PARTUUID, as Linux writes it.'),
  fileSystem: fileSystem.exactOptional().describe('What is on it; for the boot and the root partition.'),
});

/** What Imager can ask for before it writes a card, by the kind of program on the card that carries it out. */
export const initFormats = ['none', 'systemd', 'cloudinit', 'cloudinit-rpi', 'rpi-preseed'] as const;

const base = z.strictObject({
  name: z.string().describe('What was asked for: `raspios-lite`, `debian`, a file name or a URL.'),
  sha256: sha256.exactOptional().describe('sha256 of the uncompressed base image, where it was one.'),
  releaseDate: z.iso.date().exactOptional().describe('Day of its release.'),
  initFormat: z.enum(initFormats).describe('How its first boot can be customised by Raspberry Pi Imager.'),
});

export const imageDescriptionSchema = z
  .strictObject({
    format: z.literal(1).describe('Format of this file; always 1.'),
    digest: z.string().regex(/^sha256:[0-9a-f]{64}$/).describe('sha256 of this document without this key, as JSON with sorted keys and no white space.'),
    name: z.string().describe('Name of the site.'),
    version: z.string().describe('Version of the release.'),
    release: z.string().describe('ID of the release inside.'),
    platform: z.string().describe('`linux/arm64` or `linux/arm/v7`.'),
    hostname: z.string().describe('Host name of the device.'),
    preload: z.enum(['store', 'archive']).describe('How the containers are on the card: in the engine\'s store, or as archives that the first boot loads.'),
    engine: z.string().exactOptional().describe('Version of the container engine on the card.'),
    base: base.describe('The operating system that it was made of.'),
    partitionTable: z
      .strictObject({ type: z.enum(['mbr', 'gpt']).describe('Kind of partition table.'), id: z.string().describe('Disk signature (8 hex digits) or GUID.') })
      .describe('The partition table.'),
    partitions: z.array(partition.describe('A partition.')).min(1).describe('The partitions, by number.'),
    image: z.strictObject({ ...file, mappedBytes: sizeBytes.describe('How much of it must be written to a card.') }).describe('The raw image; it need not be kept where there is a compressed one.'),
    compressed: z.strictObject(file).exactOptional().describe('The same image, compressed.'),
    blockMap: z.strictObject(file).describe('The block map (bmap 2.0): which parts must be written.'),
    sbom: z.strictObject(file).describe('The bill of materials (CycloneDX).'),
    inputs: z.string().regex(/^sha256:[0-9a-f]{64}$/).exactOptional().describe('Digest of what it was made of, by which `bake` sees that nothing changed. Not there for cards with secrets.'),
    created: z.iso.datetime().describe('Date of the content (SOURCE_DATE_EPOCH), not of the moment it was made.'),
    tool: z.strictObject({ name: z.literal('prose-ship').describe('Always prose-ship.'), version: z.string().describe('Its version.') }).describe('What made it.'),
  })
  .describe('What an OS image of prose-ship is, and the files beside it.');

export type ImageDescription = z.output<typeof imageDescriptionSchema>;
export type InitFormat = (typeof initFormats)[number];
export type ImageFile = NonNullable<ImageDescription['compressed']>;
export type ImagePartition = ImageDescription['partitions'][number];
