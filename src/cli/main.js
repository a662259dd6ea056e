#!/usr/bin/env node
// Plain JavaScript, so that the compile cache is on before anything has its types stripped, and so that an older Node
// gets far enough to say what is wrong.
import module from 'node:module';

const oldest = 24;
if (Number.parseInt(process.versions.node, 10) < oldest) {
  process.stderr.write(
    `error: prose-ship needs Node ${oldest} or newer, this is ${process.version}\n` +
      '  -> `npm ci` brings one: use `npm run prose-ship -- VERB`, or node_modules/.bin/node src/cli/main.js VERB\n',
  );
  process.exit(2);
}
module.enableCompileCache();
const { main } = await import('./program.ts');
await main();
