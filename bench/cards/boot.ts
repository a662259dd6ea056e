import { stat } from 'node:fs/promises';
import { bootDevice } from '../../src/bake/boot/device.ts';
import { asBytes, asRatio, asSeconds, cells, spread, type Bench, type Target } from '../bench.ts';
import { stackTitles, type Stack } from './stack.ts';
import type { Workshop } from './workshop.ts';

const preloads = ['store', 'archive'] as const;
type Preload = (typeof preloads)[number];
const timeoutMs = 1_200_000;
/** A store must save half of the first boot of the large stack; the small one, whose images are loaded quickly, is reported. */
const leastFactor = 2;

interface Boot {
  readonly sshMs: number;
  readonly healthyMs: number;
}

/** First boots from power-on until the release is healthy. */
export function boot(workshop: Workshop): Bench {
  return {
    name: 'boot',
    title: 'the first boot, images in the store against archives',
    async run({ runs, note }) {
      const rows: string[][] = [];
      const targets: Target[] = [];
      const setup = ['Each boot is the first one of a fresh copy of the card, in QEMU (virt, cortex-a72 by TCG, 2 processors, 2 GiB), without a network, in turns; from power-on.'];
      for (const [stack, count] of [['large', runs + 1], ['small', runs]] as const) {
        const images = new Map<Preload, string>();
        for (const preload of preloads) {
          note(`${stack}: a card, ${preload}`);
          images.set(preload, await workshop.needImage(stack, preload));
        }
        const measured: Record<Preload, Boot[]> = { store: [], archive: [] };
        for (let turn = 0; turn < count; turn += 1) {
          for (const preload of preloads) {
            note(`${stack}: first boot ${turn + 1} of ${count}, ${preload}`);
            measured[preload].push(await firstBoot(workshop, images.get(preload) ?? ''));
          }
        }
        setup.push(`${stack}: ${stackTitles[stack]}; ${count} boots of each; archives of ${asBytes(await workshop.archiveBytes(stack))} bytes; images of ${await sizes(images)} bytes.`);
        rows.push(...rowsOf(stack, measured));
        targets.push(...targetsOf(stack, measured));
      }
      return { setup, head: ['what', 'min', 'median', 'max'], rows, targets };
    },
  };
}

async function firstBoot(workshop: Workshop, imageFile: string): Promise<Boot> {
  const device = await bootDevice(workshop.context, { imageFile, identityFile: workshop.identityFile, timeoutMs });
  try {
    const sshMs = await device.waitForSsh();
    const { healthyMs } = await device.waitForGate();
    return { sshMs, healthyMs };
  } finally {
    await device.destroy();
  }
}

async function sizes(images: ReadonlyMap<Preload, string>): Promise<string> {
  const parts = await Promise.all([...images].map(async ([preload, file]) => `${asBytes((await stat(file)).size)} (${preload})`));
  return parts.join(' and ');
}

function rowsOf(stack: Stack, measured: Readonly<Record<Preload, readonly Boot[]>>): string[][] {
  const ratios = measured.archive.map(({ healthyMs }, turn) => healthyMs / (measured.store[turn]?.healthyMs ?? Number.NaN));
  return [
    ...preloads.flatMap((preload) => [
      [`${stack}, ${preload}: ssh`, ...cells(spread(measured[preload].map(({ sshMs }) => sshMs)), asSeconds)],
      [`${stack}, ${preload}: healthy`, ...cells(spread(measured[preload].map(({ healthyMs }) => healthyMs)), asSeconds)],
    ]),
    [`${stack}, archive / store, turn by turn`, ...cells(spread(ratios), asRatio)],
  ];
}

function targetsOf(stack: Stack, measured: Readonly<Record<Preload, readonly Boot[]>>): Target[] {
  if (stack === 'small') return [];
  const median = (preload: Preload) => spread(measured[preload].map(({ healthyMs }) => healthyMs)).median;
  return [{ name: `first boot until healthy, ${stackTitles[stack]}: store / archive, medians`, actual: median('store') / median('archive'), limit: 1 / leastFactor, format: asRatio }];
}
