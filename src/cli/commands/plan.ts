import { ExitStatus, ShipError } from '../../errors.ts';
import { words, type Verb } from '../verb.ts';
import { bake } from './bake.ts';
import { build } from './build.ts';
import { release } from './release.ts';
import { update } from './host/update.ts';

const stages: Readonly<Record<string, Verb>> = { build, release, bake, update };

/** Those of all stages, each once: stages share some. */
const options = Object.values(stages)
  .flatMap((verb) => verb.options ?? [])
  .filter(({ flags }, at, all) => all.findIndex((other) => longName(other.flags) === longName(flags)) === at);

export const plan: Verb = {
  name: 'plan',
  summary: 'show what a stage would do, and do nothing',
  arguments: [
    { name: '<stage>', description: Object.keys(stages).join(', ') },
    { name: '[host...]', description: 'for update: the hosts (default: all hosts of the site)' },
  ],
  options,
  example: 'plan update pi@raspberrypi.local',
  run: async (session, args, given) => {
    const [name = ''] = words(args, 0);
    const stage = stages[name];
    if (!stage) {
      throw new ShipError({
        code: 'E_BAD_STAGE',
        message: `'${name}' is not a stage`,
        remedy: `Stages are ${Object.keys(stages).join(', ')}.`,
        exitStatus: ExitStatus.usage,
      });
    }
    return stage.run({ ...session, dryRun: true }, [words(args, 1)], given);
  },
};

function longName(flags: string): string {
  return /--[\w-]+/.exec(flags)?.[0] ?? flags;
}
