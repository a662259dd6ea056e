export interface OsListEntry {
  readonly name: string;
  readonly url: string;
  readonly release_date: string;
  readonly extract_size: number;
  readonly extract_sha256: string;
  readonly image_download_size: number;
  readonly image_download_sha256?: string;
  readonly init_format?: string;
  readonly [key: string]: unknown;
}

/** An entry as in Imager's list, with what we do not read, too. */
export function officialEntry(entry: Partial<OsListEntry>): OsListEntry {
  return {
    name: 'Raspberry Pi OS Lite',
    description: 'A port of Debian with no desktop environment',
    icon: 'https://images.example/icon.png',
    url: 'https://images.example/raspios_lite_arm64/images/raspios_lite_arm64-2026-01-01/2026-01-01-image.img.xz',
    extract_size: 4096,
    extract_sha256: 'A'.repeat(64),
    image_download_size: 1000,
    image_download_sha256: 'b'.repeat(64),
    release_date: '2026-01-01',
    init_format: 'cloudinit-rpi',
    devices: ['pi5-64bit', 'pi4-64bit'],
    capabilities: ['rpi_connect'],
    ...entry,
  };
}
