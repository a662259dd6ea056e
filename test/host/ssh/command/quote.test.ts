import { execFileSync } from 'node:child_process';
import test from 'ava';
import { quote, quoteCommand } from '../../../../src/host/ssh/command/quote.ts';

test('a real shell reads back exactly what was quoted', (t) => {
  const words = ['', ' ', "'", "''", `'"'"'`, '$(touch /x)', '`x`', '\\', '\\\\n', 'a\nb', '\t', '*?[a]', '~root', '{a,b}', '!1', '#', '=', '-rf', 'ü😀', '\u0001', ';', '&&'];
  const output = execFileSync('sh', ['-c', `printf '%s\\0' ${quoteCommand(words)}`], { encoding: 'utf8' });
  t.deepEqual(output.split('\0').slice(0, -1), words);
});

test('plain words stay readable', (t) => {
  t.is(quoteCommand(['/usr/lib/prose-ship/updater', 'receive', '1.0.0-0123456789ab', '--x=a,b:c@d%+']), '/usr/lib/prose-ship/updater receive 1.0.0-0123456789ab --x=a,b:c@d%+');
  t.is(quote("it's"), `'it'\\''s'`);
});

test('a NUL cannot be an argument', (t) => {
  t.throws(() => quote('a\0b'), { instanceOf: TypeError });
});
