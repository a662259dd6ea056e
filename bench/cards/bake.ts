import { rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../../src/host/process.ts';
import { defaultLevel } from '../../src/bake/plan-bake.ts';
import { asBytes, asRatio, asSeconds, cells, spread, type Bench } from '../bench.ts';
import type { Workshop } from './workshop.ts';
import { xzCommand } from './xz.ts';

const largestRebakeRatio = 3;

/** A clean bake, and one after a change of configuration against copying and compressing what it makes. */
export function bake(workshop: Workshop): Bench {
  return {
    name: 'bake',
    title: 'a clean bake, and one after a change of configuration',
    async run({ context, scratch, runs, note }) {
      note('a release of Prosody');
      await workshop.release('small');
      note('a clean bake');
      const image = path.join(workshop.images, 'small.img');
      const clean = await workshop.bake('small', `${image}.xz`);
      const rebakes: number[] = [];
      const copies: number[] = [];
      const compressions: number[] = [];
      const raw = await workshop.needImage('small', 'store');
      for (let turn = 0; turn < runs; turn += 1) {
        note(`turn ${turn + 1} of ${runs}`);
        await workshop.changeConfiguration('small', turn);
        rebakes.push((await workshop.bake('small', `${image}.xz`)).ms);
        const copy = path.join(scratch, 'copy.img');
        const copiedAt = performance.now();
        await run(context, { program: 'cp', args: ['--sparse=always', raw, copy] });
        const compressedAt = performance.now();
        await run(context, xzCommand(defaultLevel, copy, path.join(scratch, 'copy.img.xz')));
        copies.push(compressedAt - copiedAt);
        compressions.push(performance.now() - compressedAt);
        await rm(copy);
      }
      const { size } = await stat(`${image}.xz`);
      const plain = copies.map((ms, turn) => ms + (compressions[turn] ?? Number.NaN));
      return {
        setup: [
          `Prosody alone, base debian, linux/arm64, images in the engine's store; ${asBytes(size)} bytes as .img.xz, level ${defaultLevel}.`,
          "Clean: an engine without any build cache; the Debian that the base is made of is there. Packages are downloaded.",
          "Emulated: `dpkg --configure` with the maintainer scripts of the packages; every other step of a bake is this machine's own code.",
          'Change of configuration: host name and time zone. Against it: `cp --sparse=always` of the .img, and xz with the same options.',
        ],
        head: ['what', 'min', 'median', 'max'],
        rows: [
          ['clean bake', ...cells(spread([clean.ms]), asSeconds)],
          ['of it emulated', ...cells(spread([clean.emulatedMs]), asSeconds)],
          ['share of emulation', ...cells(spread([clean.emulatedMs / clean.ms]), asRatio)],
          ['bake after a change of configuration', ...cells(spread(rebakes), asSeconds)],
          ['`cp`', ...cells(spread(copies), asSeconds)],
          ['`xz`', ...cells(spread(compressions), asSeconds)],
          ['ratio, turn by turn', ...cells(spread(rebakes.map((ms, turn) => ms / (plain[turn] ?? Number.NaN))), asRatio)],
        ],
        targets: [
          { name: 'bake after a change of configuration / (cp + xz), medians', actual: spread(rebakes).median / spread(plain).median, limit: largestRebakeRatio, format: asRatio },
        ],
      };
    },
  };
}
