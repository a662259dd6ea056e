import path from 'node:path';
import type { TaskReport } from '../../tasks.ts';

/** A base image that is ready to be read. */
export interface AcquiredBase {
  /** Raw and sparse; not to be written to. */
  readonly file: string;
  /** Of the raw image, 64 lower-case hex digits. */
  readonly sha256: string;
  /** Of the file that it came from, without its extensions: `2025-05-13-raspios-bookworm-arm64-lite`. */
  readonly name: string;
  /** YYYY-MM-DD, where the publisher tells. */
  readonly releaseDate?: string;
  /** How it takes customisation at first boot, where the publisher tells: `systemd`, `cloudinit-rpi`, ... */
  readonly initFormat?: string;
  /** Until then the cache keeps it. */
  release(): Promise<void>;
}

export type BaseReport = Pick<TaskReport, 'progress' | 'log'>;

/** `2025-05-13-raspios-bookworm-arm64-lite` of a file's path or of an address' one. */
export function imageName(filePath: string): string {
  return path.posix.basename(filePath).replace(/(?:\.img)?\.(?:xz|zst|zstd|gz|zip)$|\.img$/i, '') || 'image';
}

/** The path of an address as a reader sees it. */
export function pathOfUrl(url: string): string {
  const { pathname } = new URL(url);
  try {
    return decodeURIComponent(pathname);
  } catch {
    return pathname;
  }
}
