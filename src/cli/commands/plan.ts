import { ExitStatus, ShipError } from '../../errors.ts';
import { buildOptions } from '../build-options.ts';
import { connectOption, releaseOption } from './host/host-verb.ts';
import { words, type Verb } from '../verb.ts';
import { build } from './build.ts';
import { release } from './release.ts';
import { update, waveOptions } from './host/update.ts';

const stages: Readonly<Record<string, Verb>> = { build, release, update };

export const plan: Verb = {
  name: 'plan',
  summary: 'show what a stage would do, and do nothing',
  arguments: [
    { name: '<stage>', description: 'build, release or update' },
    { name: '[host...]', description: 'for update: the hosts (default: all hosts of the site)' },
  ],
  options: [...buildOptions, releaseOption, ...waveOptions, connectOption],
  example: 'plan update pi@raspberrypi.local',
  run: async (session, args, options) => {
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
    return stage.run({ ...session, dryRun: true }, [words(args, 1)], options);
  },
};
