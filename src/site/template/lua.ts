/** A Lua literal (Lua 5.4 manual, section 3.1): strings quoted, lists as tables, null as nil. */
export function quoteLua(value: unknown): string {
  if (value === null || value === undefined) return 'nil';
  if (Array.isArray(value)) return value.length === 0 ? '{}' : `{ ${value.map(quoteLua).join(', ')} }`;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  // eslint-disable-next-line no-control-regex -- a Lua string literal holds no raw control character
  const escaped = (value as { toString(): string }).toString().replaceAll(/["\\\u0000-\u001f\u007f]/g, (character) =>
    character === '"' || character === '\\' ? `\\${character}` : `\\${String(character.charCodeAt(0)).padStart(3, '0')}`,
  );
  return `"${escaped}"`;
}
