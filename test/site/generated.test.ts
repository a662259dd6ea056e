import path from 'node:path';
import test from 'ava';
import { createContext } from '../../src/context.ts';
import { run } from '../../src/host/process.ts';
import { generate, staleFiles } from '../../schema/generate.ts';
import type { JsonSchema } from '../../schema/reference-page.ts';

test('schemas and reference pages are those of the source (node schema/generate.ts writes them)', async (t) => {
  t.deepEqual(await staleFiles(), []);
  const script = path.resolve(import.meta.dirname, '../../schema/generate.ts');
  const { exitCode } = await run(createContext(), { program: process.execPath, args: [script, '--check'] });
  t.is(exitCode, 0);
});

test('every key is described', (t) => {
  for (const [name, text] of generate()) if (name.endsWith('.json')) checkDescribed(JSON.parse(text) as JsonSchema, name);

  function checkDescribed(schema: JsonSchema, at: string): void {
    for (const [key, value] of Object.entries(schema.properties ?? {})) t.truthy(value.description, `${at}: ${key}`);
    const below = [schema.items, schema.additionalProperties, ...Object.values(schema.properties ?? {}), ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])];
    for (const one of below) if (typeof one === 'object') checkDescribed(one, at);
  }
});
