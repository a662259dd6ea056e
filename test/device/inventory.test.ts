import test from 'ava';
import { parseInventory } from '../../src/device/inventory.ts';
import { ShipError } from '../../src/errors.ts';

const layer = (digit: string) => `sha256:${digit.repeat(64)}` as const;

/** As an updater on a throw-away host printed it, digests shortened to one digit. */
const output = [
  'format\t1',
  'updater\t1',
  'machine\taarch64',
  'platform\tlinux-arm-v7',
  'engine\t26.1.5+dfsg1',
  'store\toverlay2',
  'compose\t2.26.1-4',
  'current\t2.0.0-af70810cde8c',
  'previous\t1.0.0-34548cc5c9bc',
  'journal\tcommitted\t2.0.0-af70810cde8c',
  'data-name\tdomain\tchat.example',
  'data-name\trooms\trooms.example',
  'release\t1.0.0-34548cc5c9bc\t1.0.0',
  'release\t2.0.0-af70810cde8c\t2.0.0\t3\tchat\t1.4.0',
  'free\t81327308800',
  'engine-free\t81327308801',
  `chain\t${layer('2')},${layer('0')}\tsample/side:70f4bca80018`,
  `chain\t${layer('2')}\tsha256:${'9'.repeat(64)}`,
  'invented-by-a-newer-updater\tx',
  '',
].join('\n');

test('reads everything', (t) => {
  t.deepEqual(parseInventory(output), {
    updaterVersion: 1,
    machine: 'aarch64',
    platforms: [{ os: 'linux', architecture: 'arm', variant: 'v7' }],
    engineVersion: '26.1.5+dfsg1',
    store: 'overlay2',
    composeVersion: '2.26.1-4',
    currentId: '2.0.0-af70810cde8c',
    previousId: '1.0.0-34548cc5c9bc',
    journal: { state: 'committed', id: '2.0.0-af70810cde8c' },
    freeBytes: 81_327_308_800,
    engineFreeBytes: 81_327_308_801,
    chains: [
      { diffIds: [layer('2'), layer('0')], reference: 'sample/side:70f4bca80018' },
      { diffIds: [layer('2')], reference: `sha256:${'9'.repeat(64)}` },
    ],
    dataNames: { domain: 'chat.example', rooms: 'rooms.example' },
    releases: [
      { id: '1.0.0-34548cc5c9bc', version: '1.0.0' },
      { id: '2.0.0-af70810cde8c', version: '2.0.0', dataVersion: 3, recipe: { name: 'chat', version: '1.4.0' } },
    ],
  });
});

test('a device says whom it trusts, and what it cannot write', (t) => {
  const inventory = parseInventory(`${output}signers\t/etc/prose-ship/allowed_signers\nread-only\t/var/lib/prose-ship\n`);
  t.like(inventory, { requiresSignature: true, readOnlyPath: '/var/lib/prose-ship' });
});

test('an empty device has no current release', (t) => {
  const bare = output.split('\n').filter((line) => !/^(current|previous|journal|release|chain)\t/.test(line)).join('\n');
  const inventory = parseInventory(bare);
  t.false('currentId' in inventory || 'previousId' in inventory || 'journal' in inventory);
  t.deepEqual([inventory.chains, inventory.releases], [[], []]);
});

for (const [what, text] of Object.entries({
  'another format': output.replace('format\t1', 'format\t2'),
  'no output': '',
  'a missing value': output.replace(/^engine\t.*\n/m, ''),
  'a size that is no number': output.replace(/^free\t.*$/m, 'free\tmuch'),
  'a layer that is no digest': output.replace(layer('0'), 'sha256:0'),
  'a platform that is none': output.replace('linux-arm-v7', 'Pi'),
})) {
  test(`refuses ${what}`, (t) => {
    const error = t.throws(() => parseInventory(text), { instanceOf: ShipError });
    t.is(error.code, 'E_INVENTORY');
    t.regex(error.remedy ?? '', /provision/);
  });
}
