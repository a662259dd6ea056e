import type { ImageDescription } from '../../../src/bake/publish/image-description.ts';

const digest = (digit: string) => digit.repeat(64);

/** A description as `bake` would write it for a card of 64-bit Debian; its own digest is not its digest. */
export function sampleDescription(changes: Partial<ImageDescription> = {}): ImageDescription {
  return {
    format: 1,
    digest: `sha256:${digest('0')}`,
    name: 'chat',
    version: '1.0.0',
    release: '1.0.0-0123456789ab',
    platform: 'linux/arm64',
    hostname: 'chat',
    preload: 'store',
    base: { name: 'debian', initFormat: 'none' },
    partitionTable: { type: 'mbr', id: '0badc0de' },
    partitions: [{ number: 1, startBytes: 1_048_576, sizeBytes: 2_097_152, type: '0c', partitionUuid: '0badc0de-01' }],
    image: { path: 'chat-linux-arm64.img', sizeBytes: 4_194_304, mappedBytes: 1_048_576, sha256: digest('1') },
    compressed: { path: 'chat-linux-arm64.img.xz', sizeBytes: 1000, sha256: digest('2') },
    blockMap: { path: 'chat-linux-arm64.img.bmap', sizeBytes: 100, sha256: digest('3') },
    sbom: { path: 'chat-linux-arm64.cdx.json', sizeBytes: 100, sha256: digest('4') },
    created: '2026-03-04T05:06:07.000Z',
    tool: { name: 'prose-ship', version: '0.1.0' },
    ...changes,
  };
}
