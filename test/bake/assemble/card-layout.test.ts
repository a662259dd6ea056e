import test from 'ava';
import { planCardLayout } from '../../../src/bake/assemble/card-layout.ts';
import { ShipError } from '../../../src/errors.ts';

test('a size that is too small is refused with what is needed, and that is enough', (t) => {
  const content = { parts: [{ blocks: 500_000, inodes: 40_000 }], bootBytes: 50_000_000 };
  const error = t.throws(() => planCardLayout('demo', content, { sizeBytes: 1024 ** 3 }), { instanceOf: ShipError });
  t.like(error, { code: 'E_CARD_TOO_SMALL', exitStatus: 3 });
  const [, needed = ''] = /^An image of 1073741824 bytes is too small: (\d+) bytes are needed$/.exec(error.message) ?? [];
  t.true(Number(needed) > 500_000 * 4096, error.message);
  const [, mebibytes = ''] = /^Set `os\.size` to at least (\d+)MiB, or leave it out\.$/.exec(error.remedy ?? '') ?? [];
  t.is(planCardLayout('demo', content, { sizeBytes: Number(mebibytes) * 1024 ** 2 }).diskBytes, Number(mebibytes) * 1024 ** 2);
});
