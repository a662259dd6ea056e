/**
 * Linux names are bytes, and need not be UTF-8. Bytes that are not stand in strings as lone surrogates U+DC80..U+DCFF, which
 * no valid UTF-8 gives, so that nothing is lost either way (the same as Python's surrogateescape, PEP 383).
 */
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function decodeFileName(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return escapeBytes(bytes);
  }
}

export function encodeFileName(name: string): Buffer {
  if (name.isWellFormed()) return Buffer.from(name, 'utf8');
  return Buffer.concat(
    Array.from(name, (character) => {
      const code = character.charCodeAt(0);
      return character.length === 1 && code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code - 0xdc00) : Buffer.from(character, 'utf8');
    }),
  );
}

function escapeBytes(bytes: Uint8Array): string {
  let name = '';
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    name += length === 0 ? String.fromCharCode(0xdc00 + (bytes[at] ?? 0)) : strict.decode(bytes.subarray(at, at + length));
    at += Math.max(length, 1);
  }
  return name;
}

/** Bytes of the valid UTF-8 sequence that starts there; 0 where none does. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const length = [1, 2, 3, 4].find((candidate) => at + candidate <= bytes.length && isValid(bytes.subarray(at, at + candidate)));
  return length ?? 0;
}

function isValid(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
