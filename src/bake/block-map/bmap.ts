import { createHash } from 'node:crypto';
import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { ExitStatus, ShipError } from '../../errors.ts';
import { mappedBytes, type BlockMap, type MappedRange } from './block-map.ts';

/** Stands for the file's own checksum while that is computed. */
const noChecksum = '0'.repeat(64);

/**
 * A block map as bmap-tools reads it: bmap format 2.0 with sha256 (bmap-tools, BmapCreate.py and BmapCopy.py). The same
 * map gives the same bytes.
 */
export function formatBmap(map: BlockMap): string {
  const { imageSizeBytes, blockSizeBytes, ranges } = map;
  const blocks = (sizeBytes: number) => Math.ceil(sizeBytes / blockSizeBytes);
  const mapped = ranges.reduce((sum, { sizeBytes }) => sum + blocks(sizeBytes), 0);
  const lines = ranges.map(({ startBytes, sizeBytes, sha256 }) => {
    const first = startBytes / blockSizeBytes;
    const last = first + blocks(sizeBytes) - 1;
    return `        <Range${sha256 ? ` chksum="${sha256}"` : ''}> ${first === last ? first : `${first}-${last}`} </Range>`;
  });
  const text = `<?xml version="1.0" ?>
<!-- Block map: the blocks of the image that a card needs; all others may hold anything. -->
<bmap version="2.0">
    <ImageSize> ${imageSizeBytes} </ImageSize>
    <BlockSize> ${blockSizeBytes} </BlockSize>
    <BlocksCount> ${blocks(imageSizeBytes)} </BlocksCount>
    <!-- ${((100 * mappedBytes(map)) / Math.max(imageSizeBytes, 1)).toFixed(1)} % of the image -->
    <MappedBlocksCount> ${mapped} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <!-- The sha256 of this file with ${noChecksum.length} zeros in this place. -->
    <BmapFileChecksum> ${noChecksum} </BmapFileChecksum>
    <BlockMap>
${lines.join('\n')}
    </BlockMap>
</bmap>
`;
  return text.replace(noChecksum, sha256(text));
}

/**
 * Reads a bmap file of format 2.x with sha256 and checks all that it says about itself. `name` stands in messages.
 * @throws ShipError E_BMAP (exit status 2)
 */
export function parseBmap(xml: string, name: string): BlockMap {
  const document = parseXml(xml, name);
  const version = document.bmap['@version'];
  if (!/^2\.\d+$/.test(version)) throw badBmap(name, `it has format ${version}; 2.0 is understood`);
  const { ChecksumType: checksumType, BmapFileChecksum: checksum } = document.bmap;
  if (checksumType !== 'sha256') throw badBmap(name, `its checksums are ${checksumType}; sha256 is understood`);
  const actual = sha256(xml.replace(checksum, noChecksum));
  if (actual !== checksum) throw badBmap(name, `its checksum is ${actual}, it should be ${checksum}`);

  const { ImageSize: imageSizeBytes, BlockSize: blockSizeBytes, BlocksCount: blocks, MappedBlocksCount: mapped } = document.bmap;
  if (blocks !== Math.ceil(imageSizeBytes / blockSizeBytes)) {
    throw badBmap(name, `${blocks} blocks of ${blockSizeBytes} bytes are not an image of ${imageSizeBytes} bytes`);
  }
  let next = 0;
  let count = 0;
  const ranges = document.bmap.BlockMap.Range.map((range): MappedRange => {
    const [first = 0, last = first] = range['#text'].split('-').map(Number);
    if (first < next || last < first || last >= blocks) throw badBmap(name, `the range '${range['#text']}' is out of order or outside of the image`);
    next = last + 1;
    count += last - first + 1;
    const startBytes = first * blockSizeBytes;
    const sizeBytes = Math.min((last + 1) * blockSizeBytes, imageSizeBytes) - startBytes;
    return { startBytes, sizeBytes, ...(range['@chksum'] ? { sha256: range['@chksum'] } : {}) };
  });
  if (count !== mapped) throw badBmap(name, `its ranges are ${count} blocks, it claims ${mapped}`);
  return Object.freeze({ imageSizeBytes, blockSizeBytes, ranges: Object.freeze(ranges) });
}

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const whole = z.string().regex(/^\d+$/).transform(Number).pipe(z.int().positive());
const blockRange = z.object({ '#text': z.string().regex(/^\d+(-\d+)?$/), '@chksum': hash.optional() });
const bmapDocument = z.object({
  bmap: z.object({
    '@version': z.string(),
    ImageSize: whole,
    BlockSize: whole,
    BlocksCount: whole,
    MappedBlocksCount: whole,
    ChecksumType: z.string(),
    BmapFileChecksum: z.string().min(1),
    BlockMap: z.object({ Range: z.array(blockRange).min(1) }),
  }),
});

function parseXml(xml: string, name: string): z.infer<typeof bmapDocument> {
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    parseTagValue: false,
    processEntities: false,
    isArray: (tag) => tag === 'Range',
  });
  let document: unknown;
  try {
    document = parser.parse(xml);
  } catch (error) {
    throw badBmap(name, 'it is not well-formed XML', error);
  }
  const parsed = bmapDocument.safeParse(withText(document));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw badBmap(name, `${issue?.path.join('/') ?? 'it'}: ${issue?.message ?? 'is wrong'}`);
}

/** A range without checksum is parsed as its text alone. */
function withText(document: unknown): unknown {
  const ranges = (document as { bmap?: { BlockMap?: { Range?: unknown[] } } } | undefined)?.bmap?.BlockMap?.Range;
  ranges?.forEach((range, index) => {
    if (typeof range === 'string') ranges[index] = { '#text': range };
  });
  return document;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function badBmap(name: string, what: string, cause?: unknown): ShipError {
  return new ShipError({
    code: 'E_BMAP',
    message: `'${name}' is not a block map that can be used: ${what}`,
    remedy: 'Fetch the .bmap again with its image, or leave it out: the map is then computed from the image.',
    place: { file: name },
    exitStatus: ExitStatus.usage,
    cause,
  });
}
