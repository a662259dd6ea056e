import test from 'ava';
import { nearest, suggest } from '../../src/site/yaml/nearest.ts';
import { quoteLua } from '../../src/site/template/lua.ts';

test('finds what was meant, and nothing far-fetched', (t) => {
  const keys = ['name', 'domain', 'version', 'timeoutSeconds'];
  t.is(nearest('domian', keys), 'domain');
  t.is(nearest('timeout_seconds', keys), 'timeoutSeconds');
  t.is(nearest('VERSION', keys), 'version');
  t.is(nearest('nam', keys), 'name');
  t.is(nearest('recipe', keys), undefined);
  t.is(nearest('x', keys), undefined);
  t.is(suggest('x', keys), 'Valid here: name, domain, version, timeoutSeconds.');
  t.is(suggest('x', []), 'Valid here: nothing.');
});

test('quotes for Lua', (t) => {
  t.is(quoteLua('a"b\\c\nd\u0000e'), '"a\\"b\\\\c\\010d\\000e"');
  t.is(quoteLua(['ä', 'b']), '{ "ä", "b" }');
  t.is(quoteLua([]), '{}');
  t.is(quoteLua(5222), '5222');
  t.is(quoteLua(false), 'false');
  t.is(quoteLua(null), 'nil');
});
