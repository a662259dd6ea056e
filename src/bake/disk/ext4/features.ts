import { refused } from './ext4-error.ts';

/** The three words of feature bits in the superblock (kernel, Documentation/filesystems/ext4/super.rst). */
export interface FeatureWords {
  readonly compat: number;
  readonly incompat: number;
  readonly roCompat: number;
}

type Word = keyof FeatureWords;

/** e2fsprogs' names, by bit, in the order in which its tools print them. */
const names: Record<Word, Readonly<Record<number, string>>> = {
  compat: {
    0: 'dir_prealloc', 1: 'imagic_inodes', 2: 'has_journal', 3: 'ext_attr', 4: 'resize_inode', 5: 'dir_index', 6: 'lazy_bg',
    8: 'snapshot_bitmap', 9: 'sparse_super2', 10: 'fast_commit', 11: 'stable_inodes', 12: 'orphan_file',
  },
  incompat: {
    0: 'compression', 1: 'filetype', 2: 'needs_recovery', 3: 'journal_dev', 4: 'meta_bg', 6: 'extent', 7: '64bit', 8: 'mmp',
    9: 'flex_bg', 10: 'ea_inode', 12: 'dirdata', 13: 'metadata_csum_seed', 14: 'large_dir', 15: 'inline_data', 16: 'encrypt',
    17: 'casefold',
  },
  roCompat: {
    0: 'sparse_super', 1: 'large_file', 3: 'huge_file', 4: 'uninit_bg', 5: 'dir_nlink', 6: 'extra_isize', 7: 'snapshot',
    8: 'quota', 9: 'bigalloc', 10: 'metadata_csum', 11: 'replica', 12: 'read-only', 13: 'project', 14: 'shared_blocks',
    15: 'verity', 16: 'orphan_present',
  },
};

const readable: readonly string[] = [
  'filetype', 'meta_bg', 'extent', '64bit', 'mmp', 'flex_bg', 'ea_inode', 'metadata_csum_seed', 'large_dir', 'inline_data',
];

const letters: Record<Word, string> = { compat: 'C', incompat: 'I', roCompat: 'R' };

/** All features by name; bits without one are called `FEATURE_I31`, as e2fsprogs does. */
export function featureNames(words: FeatureWords): string[] {
  return (['compat', 'incompat', 'roCompat'] as const).flatMap((word) => namesIn(words, word));
}

/** @throws ShipError E_EXT4 for an incompatible feature that this reader does not know, and for a journal that must be replayed */
export function refuseUnreadable(words: FeatureWords): void {
  const unreadable = namesIn(words, 'incompat').filter((name) => !readable.includes(name));
  if (unreadable.includes('needs_recovery')) {
    throw refused(
      'The ext4 file system was not unmounted: its journal still holds changes (needs_recovery)',
      'Replay the journal with `e2fsck -fy` on the partition, or take an image that was made from an unmounted card.',
    );
  }
  if (unreadable.length === 0) return;
  throw refused(
    `The ext4 file system has features that prose-ship does not read: ${unreadable.join(', ')}`,
    'Take an image without them, or copy its files into a file system that mke2fs made with its default features.',
  );
}

function namesIn(words: FeatureWords, word: Word): string[] {
  const bits = Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => (words[word] >>> bit) & 1);
  return bits.map((bit) => names[word][bit] ?? `FEATURE_${letters[word]}${bit}`);
}
