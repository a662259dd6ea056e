import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';

type Document = Record<string, unknown>;

/** The published schema of CycloneDX 1.6, as the library ships it, with the two files that it refers to put in place. */
export function cyclonedxSchema(): z.ZodType {
  const folder = path.join(path.dirname(createRequire(import.meta.url).resolve('@cyclonedx/cyclonedx-library/package.json')), 'res/schema');
  const read = (name: string) => JSON.parse(readFileSync(path.join(folder, `${name}.SNAPSHOT.schema.json`), 'utf8')) as Document;
  const spdx = { type: 'string', enum: read('spdx')['enum'] };
  const text = JSON.stringify(read('bom-1.6'), (_key, value: unknown) => {
    const reference = typeof value === 'object' && value !== null ? (value as Document)['$ref'] : undefined;
    if (reference === 'spdx.SNAPSHOT.schema.json') return spdx;
    // We sign nothing in the document itself.
    if (typeof reference === 'string' && reference.startsWith('jsf-')) return { not: {} };
    return value;
  });
  return z.fromJSONSchema(JSON.parse(text) as Parameters<typeof z.fromJSONSchema>[0]);
}
