import { lstat, readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Measure } from './card-layout.ts';

/** Reads `KEY TAB NUMBER` lines. */
export async function readMeasure(file: string): Promise<Measure & { readonly bootBytes: number }> {
  const text = await readFile(file, 'utf8');
  const number = (key: string) => Number(new RegExp(`^${key}\\t(\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  const measure = { blocks: number('blocks'), inodes: number('inodes'), bootBytes: number('bootBytes') };
  if (measure.blocks === 0) throw new Error(`${file} holds no measure`);
  return measure;
}

/** What a folder here takes in the card's file system. */
export async function measureTree(directory: string): Promise<Measure> {
  let blocks = 0;
  let inodes = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const { size } = await lstat(path.join(entry.parentPath, entry.name));
    blocks += Math.ceil(size / 4096);
    inodes += 1;
  }
  return { blocks, inodes };
}
