import { benchCommand } from './command.ts';
import { help } from './help.ts';
import { memory } from './memory.ts';
import { update } from './update.ts';

process.exitCode = await benchCommand({ script: 'bench/main.ts', title: 'Benchmark results', benches: [help, memory, update], defaultRuns: 3 });
