// Stand-in for `npm run build`: writes dist/.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const page = readFileSync('index.html', 'utf8').replaceAll('@VERSION@', process.env.VERSION ?? '');
mkdirSync('dist', { recursive: true });
writeFileSync('dist/index.html', page);
