import { createHash } from 'node:crypto';

/** `sha256:` and 64 lower-case hex digits: the only algorithm that engines write (OCI image-spec, descriptor.md, Digests). */
export type Digest = `sha256:${string}`;

const pattern = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: string): text is Digest {
  return pattern.test(text);
}

export function digestOf(content: string | Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** The hexadecimal part. */
export function encodedPart(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** The first 12 hex digits, as engines print them. */
export function shortDigest(digest: Digest): string {
  return encodedPart(digest).slice(0, 12);
}
