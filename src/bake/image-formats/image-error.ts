import { ExitStatus, ShipError } from '../../errors.ts';

/** Compressed data that ends too early or does not decompress. */
export function corrupt(file: string, what: string, cause?: unknown): ShipError {
  return new ShipError({
    code: 'E_IMAGE_CORRUPT',
    message: `The image is damaged: ${what}`,
    place: { file },
    remedy: 'It was not copied or downloaded whole: fetch it again and compare its sha256.',
    exitStatus: ExitStatus.usage,
    cause,
  });
}

/** A format, or a variant of one, that is not read. */
export function unsupported(file: string, what: string, remedy: string): ShipError {
  return new ShipError({ code: 'E_IMAGE_FORMAT', message: `The image cannot be read: ${what}`, place: { file }, remedy, exitStatus: ExitStatus.usage });
}
