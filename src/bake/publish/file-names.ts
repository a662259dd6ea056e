import path from 'node:path';

/** The files of one image, as names in one folder. */
export interface ImageFileNames {
  /** `chat-linux-arm64` */
  readonly stem: string;
  readonly image: string;
  readonly blockMap: string;
  readonly sbom: string;
  readonly description: string;
  readonly imagerManifest: string;
}

export function imageFileNames(stem: string): ImageFileNames {
  return {
    stem,
    image: `${stem}.img`,
    // bmaptool looks for it there for every compressed form, too.
    blockMap: `${stem}.img.bmap`,
    sbom: `${stem}.cdx.json`,
    description: `${stem}${descriptionSuffix}`,
    imagerManifest: `${stem}.rpi-imager-manifest`,
  };
}

export const descriptionSuffix = '.image.json';

/** The list of all images of a folder for a repository of Imager. */
export const osListFile = 'os_list.json';

/** `sha256sum -c` reads it. */
export function checksumName(file: string): string {
  return `${file}.sha256`;
}

const suffixes = /^(.+?)(?:\.img(?:\.(?:xz|zst|gz|zip))?(?:\.sha256)?|\.img\.bmap|\.image\.json|\.cdx\.json|\.rpi-imager-manifest)$/;

/** The stem of any file of an image; undefined for other names. */
export function imageStem(file: string): string | undefined {
  return suffixes.exec(path.basename(file))?.[1];
}
