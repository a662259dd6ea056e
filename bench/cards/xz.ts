import { open, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { defaultLevel } from '../../src/bake/plan-bake.ts';
import { parseBmap } from '../../src/bake/block-map/bmap.ts';
import type { BlockMap } from '../../src/bake/block-map/block-map.ts';
import { run, type Command } from '../../src/host/process.ts';
import { asBytes, asRatio, asSeconds, type Bench } from '../bench.ts';
import type { Workshop } from './workshop.ts';

const levels = [1, 3, 6];
/** xz compresses each block by itself, so some of them tell of all. */
const blockBytes = 16 * 2 ** 20;
const everyBlock = 4;

/** As dockerfiles/os-image/assemble.sh does it. */
export function xzCommand(level: number, file: string, target: string): Command {
  return { program: 'sh', args: ['-c', 'xz -T0 "-$1" --block-size=16MiB --check=crc32 -c "$2" >"$3"', 'xz', String(level), file, target] };
}

/** Why cards are compressed as they are. */
export function xz(workshop: Workshop): Bench {
  return {
    name: 'xz',
    title: 'levels of xz on a finished image',
    async run({ context, scratch, note }) {
      const image = path.join(workshop.images, 'small-store.img');
      await workshop.needImage('small', 'store');
      const sample = path.join(scratch, 'sample');
      const sampleBytes = await takeSample(image, parseBmap(await readFile(`${image}.bmap`, 'utf8'), 'bmap'), sample);
      const measured: { level: number; ms: number; bytes: number }[] = [];
      for (const level of levels) {
        note(`level ${level}`);
        const startedAt = performance.now();
        await run(context, xzCommand(level, sample, `${sample}.xz`));
        measured.push({ level, ms: performance.now() - startedAt, bytes: (await stat(`${sample}.xz`)).size });
        await rm(`${sample}.xz`);
      }
      const last = measured.at(-1);
      return {
        setup: [
          `Every fourth piece of 16 MiB of what the block map names, ${asBytes(sampleBytes)} bytes; bake's default is level ${defaultLevel}.`,
          'Ratios are those to the last level, xz\'s own default.',
        ],
        head: ['level', 'time', 'bytes', 'time ratio', 'size ratio'],
        rows: measured.map(({ level, ms, bytes }) => [String(level), asSeconds(ms), asBytes(bytes), asRatio(ms / (last?.ms ?? Number.NaN)), asRatio(bytes / (last?.bytes ?? Number.NaN))]),
        targets: [],
      };
    },
  };
}

async function takeSample(image: string, { ranges }: BlockMap, target: string): Promise<number> {
  const from = await open(image);
  const to = await open(target, 'w');
  let taken = 0;
  try {
    const buffer = Buffer.alloc(blockBytes);
    for (const { startBytes, sizeBytes } of ranges) {
      for (let offset = 0; offset + blockBytes <= sizeBytes; offset += blockBytes * everyBlock) {
        const { bytesRead } = await from.read(buffer, 0, blockBytes, startBytes + offset);
        await to.write(buffer, 0, bytesRead);
        taken += bytesRead;
      }
    }
  } finally {
    await from.close();
    await to.close();
  }
  return taken;
}
