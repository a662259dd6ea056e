import { z } from 'zod';

/**
 * The rules for a list of Raspberry Pi Imager, written down from rpi-imager's doc/json-schema/os-list-schema.json and
 * doc/schema-notes.md (commit 72ad1179, 2026-08): keys that an entry must have, their types, the values that are known.
 */
const imagerDevice = z.looseObject({
  name: z.string(),
  description: z.string(),
  icon: z.string().optional(),
  tags: z.array(z.string()),
  matching_type: z.enum(['exclusive', 'inclusive']).optional(),
  architecture: z.enum(['armel', 'armhf', 'armv8']).optional(),
});

const osEntry = z.looseObject({
  name: z.string().min(1),
  description: z.string(),
  icon: z.string(),
  // Not in the schema: src/imagewriter.cpp says that an address without a scheme is not found.
  url: z.url({ protocol: /^(https?|file)$/ }),
  extract_size: z.int().min(1),
  extract_sha256: z.string().regex(/^[0-9a-f]{64}$/),
  image_download_size: z.int().min(1),
  release_date: z.iso.date(),
  devices: z.array(z.string()).min(1),
  init_format: z.enum(['', 'systemd', 'cloudinit', 'cloudinit-rpi', 'rpi-preseed', 'none']).optional(),
  architecture: z.enum(['armel', 'armhf', 'armv8']).optional(),
  capabilities: z.array(z.enum(['rpi_connect', 'secure_boot', 'passwordless_sudo', 'i2c', 'spi', 'onewire', 'serial', 'usb_otg'])).optional(),
  bmap_url: z.url({ protocol: /^(https?|file)$/ }).optional(),
  website: z.url().optional(),
  tooltip: z.string().optional(),
});

/** Nothing but these two keys at the top. */
export const imagerListSchema = z.strictObject({
  imager: z
    .strictObject({
      latest_version: z.string().optional(),
      url: z.string().optional(),
      default_os: z.string().optional(),
      embedded_default_os: z.string().optional(),
      embedded_default_destination: z.string().optional(),
      devices: z.array(imagerDevice).optional(),
    })
    .optional(),
  os_list: z.array(osEntry),
});
export type ImagerList = z.output<typeof imagerListSchema>;
