import { benchCommand } from '../command.ts';
import { gap } from './gap.ts';
import { isPart, updates } from './updates.ts';

process.exitCode = await benchCommand({
  script: 'bench/peers/main.ts',
  title: 'Updates against peers',
  benches: [gap, updates],
  defaultRuns: 3,
  isPart,
});
