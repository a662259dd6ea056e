import test from 'ava';
import { planCardLayout } from '../../../src/bake/assemble/card-layout.ts';
import type { OsImageLayout } from '../../../src/bake/disk/inspect-image.ts';
import { ShipError } from '../../../src/errors.ts';

const MiB = 1024 ** 2;
const content = { parts: [{ blocks: 90_000, inodes: 9_000 }, { blocks: 10_000, inodes: 1_000 }], bootBytes: 100 * MiB };

/** Raspberry Pi OS's layout. */
function base(kind: 'mbr' | 'gpt' = 'mbr', rootStartMiB = 528): OsImageLayout {
  const boot = { number: 1, type: '0c', startBytes: 8 * MiB, sizeBytes: 512 * MiB };
  const root = { number: 2, type: '83', startBytes: rootStartMiB * MiB, sizeBytes: 1000 * MiB };
  return {
    table: { kind, diskId: '0badc0de', partitions: [boot, root] },
    boot,
    root,
    fat: { type: 32, label: 'bootfs', volumeId: '3c0ffee1', clusterBytes: 512 },
    ext4: {
      uuid: '0a1b2c3d-4e5f-4061-8273-94a5b6c7d8e9',
      label: 'rootfs',
      blockBytes: 4096,
      blocks: 256_000,
      inodeBytes: 256,
      inodes: 64_000,
      features: ['has_journal', 'extent', 'metadata_csum', 'needs_recovery', 'orphan_file'],
      reservedBlocks: 12_800,
      journalBlocks: 4096,
      hashSeed: '11111111-2222-4333-8444-555566667777',
      freeBlocks: 1000,
    },
    bootKind: 'raspberry-pi-os',
  };
}

test('a fresh card is as small as its content allows, in whole pieces of a card', (t) => {
  // 100,000 blocks, journal and headroom, 3 % for tables, inodes of 256 bytes, 1 % reserved: 680,997,785 bytes.
  const { diskBytes, boot, root, fresh } = planCardLayout('chat/debian', content, {});
  t.deepEqual(boot, { startBytes: 4 * MiB, sizeBytes: 512 * MiB });
  t.deepEqual([root.startBytes, root.sizeBytes, root.inodes, root.inodeBytes, root.journalMiB, root.label], [516 * MiB, 652 * MiB, 41_728, 256, 64, 'rootfs']);
  t.is(diskBytes, root.startBytes + root.sizeBytes);
  t.regex(root.uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-9[0-9a-f]{3}-[0-9a-f]{12}$/);
  t.regex(`${fresh!.volumeId} ${fresh!.diskId}`, /^[0-9a-f]{8} [0-9a-f]{8}$/);
  t.false(root.features.includes('orphan_file'), 'older tools refuse it');
});

test('ids are the same for the same site, and no other', (t) => {
  const ids = (seed: string) => {
    const { root, fresh } = planCardLayout(seed, content, {});
    return [root.uuid, root.hashSeed, fresh!.volumeId, fresh!.diskId];
  };
  t.deepEqual(ids('chat/debian'), ids('chat/debian'));
  t.is(new Set([...ids('chat/debian'), ...ids('office/debian')]).size, 8);
});

test('many small files get inodes, with a quarter more for what comes', (t) => {
  t.is(planCardLayout('s', { ...content, parts: [{ blocks: 1000, inodes: 100_000 }] }, {}).root.inodes, 125_000);
});

test('of a base all stays but the end of its root partition', (t) => {
  const layout = planCardLayout('s', content, { base: base() });
  t.deepEqual(layout.boot, { startBytes: 8 * MiB, sizeBytes: 512 * MiB });
  t.like(layout.root, { startBytes: 528 * MiB, uuid: '0a1b2c3d-4e5f-4061-8273-94a5b6c7d8e9', hashSeed: '11111111-2222-4333-8444-555566667777', label: 'rootfs', journalMiB: 16 });
  t.deepEqual(layout.root.features, ['has_journal', 'extent', 'metadata_csum', 'orphan_file'], 'a state is no feature');
  t.is(layout.fresh, undefined);
  t.is(layout.diskBytes, layout.root.startBytes + layout.root.sizeBytes);
});

test('a GPT keeps room for its backup', (t) => {
  const layout = planCardLayout('s', content, { base: base('gpt') });
  t.is(layout.diskBytes, layout.root.startBytes + layout.root.sizeBytes + MiB);
  const fixed = planCardLayout('s', content, { base: base('gpt'), sizeBytes: 2048 * MiB });
  t.deepEqual([fixed.diskBytes, fixed.root.sizeBytes], [2048 * MiB, (2048 - 528 - 1) * MiB]);
});

test('a wanted size is filled in whole blocks', (t) => {
  const { diskBytes, root } = planCardLayout('s', content, { sizeBytes: 2048 * MiB + 5000 });
  t.deepEqual([root.sizeBytes, diskBytes], [1532 * MiB + 4096, 2048 * MiB + 4096]);
});

test('what cannot be is refused with the numbers before anything is written', (t) => {
  const small = t.throws(() => planCardLayout('s', content, { sizeBytes: 1000 * MiB }), { instanceOf: ShipError });
  t.deepEqual([small.code, small.exitStatus], ['E_CARD_TOO_SMALL', 3]);
  t.is(small.message, `An image of ${1000 * MiB} bytes is too small: ${516 * MiB + 680_997_785} bytes are needed`);
  t.regex(small.remedy!, /^Set `os\.size` to at least 1166MiB/);
  t.notThrows(() => planCardLayout('s', content, { sizeBytes: 1166 * MiB }), 'what the remedy says is enough');
  const boot = t.throws(() => planCardLayout('s', { ...content, bootBytes: 500 * MiB }, {}), { instanceOf: ShipError });
  t.deepEqual([boot.code, boot.exitStatus], ['E_CARD_TOO_SMALL', 3]);
  t.regex(boot.message, /524288000 are to go there/);
  const order = t.throws(() => planCardLayout('s', content, { base: base('mbr', 4) }), { instanceOf: ShipError });
  t.deepEqual([order.code, order.exitStatus], ['E_BASE_LAYOUT', 3]);
  t.regex(order.remedy!, /root partition comes last/);
});
