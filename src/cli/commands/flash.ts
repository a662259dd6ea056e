import path from 'node:path';
import type { FlashPlan } from '../../bake/flash/plan-flash.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { formatBytes } from '../report/format.ts';
import { word, words, type Verb } from '../verb.ts';

export const flash: Verb = {
  name: 'flash',
  summary: 'write an OS image to a card, read it back and compare',
  arguments: [
    { name: '<image>', description: 'raw, or compressed as .xz, .zst, .gz or .zip' },
    { name: '<device>', description: 'the whole disk, or a plain file' },
  ],
  options: [
    { flags: '--bmap <file>', description: 'the block map (default: the one beside the image; without any, everything is written)' },
    { flags: '--force', description: 'also a disk that the system does not call removable' },
  ],
  example: 'flash build/chat-linux-arm64.img.xz /dev/sdb',
  run: async (session, args, options) => {
    const { planFlash } = await import('../../bake/flash/plan-flash.ts');
    const flashing = await import('../../bake/flash/flash.ts');
    const bmap = word(options['bmap']);
    const plan = await planFlash(session.context, {
      image: path.resolve(words(args, 0)[0] ?? ''),
      device: path.resolve(words(args, 1)[0] ?? ''),
      ...(bmap === undefined ? {} : { bmap: path.resolve(bmap) }),
      force: options['force'] === true,
    });
    if (session.dryRun) {
      session.print(describe(plan));
      return { plan: summarise(plan) };
    }
    if (plan.target.kind !== 'new-file' && !(await session.confirm(question(plan)))) throw notConfirmed(plan);
    const result = await flashing.flash(session.context, plan);
    session.print(plan.target.path);
    return result;
  },
};

function nameOf({ target }: FlashPlan): string {
  const details = [target.model, target.transport, target.kind === 'new-file' ? 'a new file' : formatBytes(target.sizeBytes)].filter(Boolean);
  return `${target.path} (${details.join(', ')})`;
}

function question(plan: FlashPlan): string {
  const { contents } = plan.target;
  return `Overwrite everything on ${nameOf(plan)}${contents.length > 0 ? `, which holds ${contents.join('; ')}` : ''}?`;
}

function describe(plan: FlashPlan): string {
  const { image, bmap, target, plannedBytes, direct } = plan;
  const size = image.sizeBytes === undefined ? 'size not known before it is unpacked' : `${image.sizeBytes} bytes`;
  return [
    `image: ${image.file} (${image.format}, ${size})`,
    `device: ${nameOf(plan)}${target.contents.length > 0 ? `, now ${target.contents.join('; ')}` : ''}`,
    bmap ? `write: ${plannedBytes ?? 0} bytes in ${bmap.map.ranges.length} ranges of ${bmap.file}` : 'write: everything, because there is no block map',
    `how: ${direct ? 'past the page cache (O_DIRECT)' : 'through the page cache, flushed'}; read back and compared; the first MiB comes last`,
  ].join('\n');
}

/** Without the map's ranges, which are many. */
function summarise({ bmap, ...plan }: FlashPlan): object {
  return { ...plan, ...(bmap ? { bmap: { file: bmap.file, ranges: bmap.map.ranges.length } } : {}) };
}

function notConfirmed(plan: FlashPlan): ShipError {
  return new ShipError({
    code: 'E_NOT_CONFIRMED',
    message: `${nameOf(plan)} was left as it is`,
    remedy: 'Answer yes, or add --yes where nobody can be asked.',
    exitStatus: ExitStatus.usage,
  });
}
