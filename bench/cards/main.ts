import { benchCommand } from '../command.ts';
import { bake } from './bake.ts';
import { boot } from './boot.ts';
import { flash } from './flash.ts';
import { Workshop } from './workshop.ts';
import { xz } from './xz.ts';

const workshop = new Workshop();
process.exitCode = await benchCommand({
  script: 'bench/cards/main.ts',
  title: 'Cards',
  benches: [bake(workshop), flash(workshop), xz(workshop), boot(workshop)],
  defaultRuns: 1,
  begin: (surroundings) => workshop.open(surroundings),
  end: () => workshop.close(),
});
