import type { Context } from '../../../src/context.ts';
import { run } from '../../../src/host/process.ts';

/** What e2fsprogs says of a file system. */
export interface Dumpe2fs {
  /** `Block count` → `262144`. */
  readonly fields: ReadonlyMap<string, string>;
  /** One byte a block: 1 where it is in use. */
  readonly used: Uint8Array;
  /** The same, where inode tables were left unwritten behind the used inodes. */
  readonly unwritten: Uint8Array;
}

export async function dumpe2fs(context: Context, image: string): Promise<Dumpe2fs> {
  const { stdout } = await run(context, { program: 'dumpe2fs', args: [image], env: { LC_ALL: 'C' } });
  const [head = '', ...groups] = stdout.split(/^(?=Group \d+:)/m);
  const fields = new Map(head.split('\n').flatMap((line) => {
    const match = /^([^:]+):\s+(.*)$/.exec(line);
    return match ? [[match[1]!, match[2]!.trim()] as const] : [];
  }));
  const number = (name: string): number => Number(fields.get(name));
  const used = new Uint8Array(number('Block count')).fill(1);
  const unwritten = new Uint8Array(used.length);
  const inodesPerBlock = number('Block size') / number('Inode size');
  const clusterBlocks = Number(fields.get('Cluster size') ?? fields.get('Block size')) / number('Block size');
  for (const group of groups) {
    for (const [first, last] of ranges(/^ {2}Free blocks: (.*)$/m.exec(group)?.[1] ?? '')) {
      // With bigalloc it prints the first block of the last cluster.
      used.fill(0, first, last + clusterBlocks);
    }
    const table = /Inode table at (\d+)-(\d+)/.exec(group)!;
    const unused = Number(/ (\d+) unused inodes/.exec(group)?.[1] ?? 0);
    const isLazy = /metadata_csum|uninit_bg/.test(fields.get('Filesystem features') ?? '') && !group.includes('ITABLE_ZEROED');
    if (isLazy) unwritten.fill(1, Number(table[2]) + 1 - Math.floor(unused / inodesPerBlock), Number(table[2]) + 1);
  }
  return { fields, used, unwritten };
}

function ranges(text: string): [number, number][] {
  return text.split(', ').filter(Boolean).map((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return [first!, last!];
  });
}
