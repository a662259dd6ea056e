import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { parseBmap } from '../../src/bake/block-map/bmap.ts';
import { mappedBytes } from '../../src/bake/block-map/block-map.ts';
import { flash as flashCard, type FlashResult } from '../../src/bake/flash/flash.ts';
import { planFlash } from '../../src/bake/flash/plan-flash.ts';
import { run } from '../../src/host/process.ts';
import { asBytes, asRatio, asSeconds, cells, spread, type Bench } from '../bench.ts';
import type { Workshop } from './workshop.ts';

const mostWritten = 1.02;
/** One after another: writing, then reading back. */
const leastRuns = 3;

/** What is written to a card, and how long that takes. */
export function flash(workshop: Workshop): Bench {
  return {
    name: 'flash',
    title: 'flashing a card, against `dd` of the whole image',
    async run({ context, scratch, runs, note }) {
      const image = path.join(workshop.images, 'small-store.img');
      await workshop.needImage('small', 'store');
      const map = parseBmap(await readFile(`${image}.bmap`, 'utf8'), 'bmap');
      const ours: number[] = [];
      const plain: number[] = [];
      let result: FlashResult | undefined;
      let counted = 0;
      const count = Math.max(runs, leastRuns);
      for (let turn = 0; turn < count; turn += 1) {
        note(`turn ${turn + 1} of ${count}`);
        const target = path.join(scratch, 'card');
        const before = await writtenBytes();
        const startedAt = performance.now();
        result = await flashCard(context, await planFlash(context, { image, device: target }));
        ours.push(performance.now() - startedAt);
        counted = Math.max(counted, (await writtenBytes()) - before);
        await rm(target);
        const dd = performance.now();
        await run(context, { program: 'dd', args: [`if=${image}`, `of=${target}`, 'bs=4M', 'oflag=direct', 'conv=fsync', 'status=none'] });
        plain.push(performance.now() - dd);
        await rm(target);
      }
      const mapped = mappedBytes(map);
      return {
        setup: [
          `From the raw image onto a new plain file; ours ${result?.direct === true ? 'past' : 'through'} the page cache, and read back and compared as well; dd does not read back.`,
          'Counted: what the kernel counts as handed to write(2) by this process (wchar of /proc/self/io), the largest of all runs.',
        ],
        head: ['what', 'min', 'median', 'max'],
        rows: [
          ['`flash`: write, read back, compare', ...cells(spread(ours), asSeconds)],
          ['`dd`', ...cells(spread(plain), asSeconds)],
          ['ratio, turn by turn', ...cells(spread(ours.map((ms, turn) => ms / (plain[turn] ?? Number.NaN))), asRatio)],
          ['bytes written', '', asBytes(counted), ''],
          ['bytes mapped', '', asBytes(mapped), ''],
          ['bytes of the image', '', asBytes(map.imageSizeBytes), ''],
          ['mapped / image', '', asRatio(mapped / map.imageSizeBytes), ''],
        ],
        targets: [{ name: 'flash: bytes written / bytes mapped', actual: counted / mapped, limit: mostWritten, format: (value) => value.toFixed(5) }],
      };
    },
  };
}

async function writtenBytes(): Promise<number> {
  return Number(/^wchar: (\d+)$/m.exec(await readFile('/proc/self/io', 'utf8'))?.[1] ?? Number.NaN);
}
