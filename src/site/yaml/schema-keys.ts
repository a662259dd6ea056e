import { z } from 'zod';

/** The keys that a map of this schema may have; of all alternatives where it is a union. */
export function keysOf(schema: z.ZodType | undefined): string[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) return Object.keys(inner.shape);
  if (inner instanceof z.ZodUnion) return [...new Set(inner.options.flatMap((option) => keysOf(option as z.ZodType)))];
  return [];
}

/** The schema of what stands under `key`; a description on the outside wins over one inside. */
export function childSchema(schema: z.ZodType | undefined, key: string | number): z.ZodType | undefined {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) return (inner.shape as Record<string, z.ZodType | undefined>)[key];
  if (inner instanceof z.ZodRecord) return inner.valueType as z.ZodType;
  if (inner instanceof z.ZodArray) return inner.element as z.ZodType;
  if (inner instanceof z.ZodUnion) {
    for (const option of inner.options) {
      const child = childSchema(option as z.ZodType, key);
      if (child) return child;
    }
  }
  return undefined;
}

/** What is said of a schema, outside or inside of `optional` and `default`. */
export function descriptionOf(schema: z.ZodType | undefined): string | undefined {
  return schema?.description ?? unwrap(schema)?.description;
}

function unwrap(schema: z.ZodType | undefined): z.ZodType | undefined {
  let inner = schema;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodOptional) inner = inner.unwrap() as z.ZodType;
  return inner;
}
