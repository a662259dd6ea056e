import { createHash } from 'node:crypto';
import { XMLParser } from 'fast-xml-parser';
import { ExitStatus, ShipError } from '../../errors.ts';
import { mappedBytes, type BlockMap } from './block-map.ts';

const noChecksum = '0'.repeat(64);

/** Block map format 2.0 as bmap-tools writes it. */
export function formatBmap(map: BlockMap): string {
  const block = map.blockSizeBytes;
  const ranges = map.ranges.map(({ startBytes, sizeBytes, sha256 }) => {
    const first = startBytes / block;
    const last = Math.ceil((startBytes + sizeBytes) / block) - 1;
    return `        <Range${sha256 ? ` chksum="${sha256}"` : ''}> ${first === last ? first : `${first}-${last}`} </Range>`;
  });
  const xml = (checksum: string) =>
    [
      '<?xml version="1.0" ?>',
      '<bmap version="2.0">',
      `    <ImageSize> ${map.imageSizeBytes} </ImageSize>`,
      `    <BlockSize> ${block} </BlockSize>`,
      `    <BlocksCount> ${Math.ceil(map.imageSizeBytes / block)} </BlocksCount>`,
      `    <MappedBlocksCount> ${Math.ceil(mappedBytes(map) / block)} </MappedBlocksCount>`,
      '    <ChecksumType> sha256 </ChecksumType>',
      `    <BmapFileChecksum> ${checksum} </BmapFileChecksum>`,
      '    <BlockMap>',
      ...ranges,
      '    </BlockMap>',
      '</bmap>',
      '',
    ].join('\n');
  return xml(createHash('sha256').update(xml(noChecksum)).digest('hex'));
}

/** @throws ShipError E_BMAP */
export function parseBmap(xml: string, name: string): BlockMap {
  const parsed = new XMLParser({ ignoreAttributes: false, parseTagValue: false, isArray: (tag) => tag === 'Range' }).parse(xml) as Parsed;
  const checksum = parsed.bmap?.BmapFileChecksum?.trim() ?? '';
  if (!parsed.bmap || checksum === '') throw broken(name, 'it is not a block map of format 2.0');
  if (createHash('sha256').update(xml.replace(checksum, noChecksum)).digest('hex') !== checksum) throw broken(name, 'its own checksum is wrong');
  const imageSizeBytes = Number(parsed.bmap.ImageSize);
  const blockSizeBytes = Number(parsed.bmap.BlockSize);
  const ranges = parsed.bmap.BlockMap.Range.map((range) => {
    const [first = 0, last = first] = range['#text'].trim().split('-').map(Number);
    const startBytes = first * blockSizeBytes;
    return {
      startBytes,
      sizeBytes: Math.min((last + 1) * blockSizeBytes, imageSizeBytes) - startBytes,
      ...(range['@_chksum'] ? { sha256: range['@_chksum'] } : {}),
    };
  });
  return { imageSizeBytes, blockSizeBytes, ranges };
}

interface Parsed {
  readonly bmap?: {
    readonly ImageSize: string;
    readonly BlockSize: string;
    readonly BmapFileChecksum?: string;
    readonly BlockMap: { readonly Range: readonly { '#text': string; '@_chksum'?: string }[] };
  };
}

function broken(name: string, what: string): ShipError {
  return new ShipError({ code: 'E_BMAP', message: `The block map cannot be used: ${what}`, place: { file: name }, exitStatus: ExitStatus.usage });
}
