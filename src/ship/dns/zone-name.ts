/** A name as it stands in the zone: `@` for the zone itself, without the zone's name below it; undefined outside of it. */
export function nameInZone(name: string, zone: string): string | undefined {
  if (name === zone) return '@';
  return name.endsWith(`.${zone}`) ? name.slice(0, -zone.length - 1) : undefined;
}
