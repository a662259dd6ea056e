import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { checkSignature, gpgVerify, raspberryPiKey, readGpgStatus } from '../../../src/bake/base/signature.ts';
import { createContext } from '../../../src/context.ts';
import { ShipError } from '../../../src/errors.ts';
import { createSigner, keyring } from '../../support/signer.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

async function signedFile(t: ExecutionContext) {
  const signer = await createSigner();
  t.teardown(() => signer.close());
  const directory = await temporaryDirectory('signature');
  const file = path.join(directory, 'image');
  const signature = path.join(directory, 'image.sig');
  await writeFile(file, 'the image');
  await writeFile(signature, await signer.sign(file));
  const home = await keyring(await signer.exportKey());
  t.teardown(() => home.close());
  return { signer, file, signature, context: withHome(home.home) };
}

const withHome = (home: string) => createContext({ environment: { ...process.env, GNUPGHOME: home } });

test('a signature counts by the primary key of who made it', async (t) => {
  const { signer, file, signature, context } = await signedFile(t);
  t.deepEqual(await checkSignature(context, file, signature, 'image', signer.fingerprint), { kind: 'good' });
  const error = await t.throwsAsync(checkSignature(context, file, signature, 'image', raspberryPiKey), { instanceOf: ShipError, code: 'E_SIGNATURE' });
  t.regex(error.message, new RegExp(`not by ${raspberryPiKey}`));
  t.regex(error.remedy ?? '', /Do not use it/);
});

test('a changed file, a revoked key and something that is no signature are refused', async (t) => {
  const { signer, file, signature, context } = await signedFile(t);
  const check = (of: string, by: string, where = context) => checkSignature(where, of, by, 'image', signer.fingerprint);
  await t.throwsAsync(check(file, file), { code: 'E_SIGNATURE', message: /no signature/ });
  await writeFile(`${file}2`, 'another image');
  await t.throwsAsync(check(`${file}2`, signature), { code: 'E_SIGNATURE', message: /does not belong/ });
  await signer.revoke();
  await t.throwsAsync(check(file, signature, withHome(signer.home)), { code: 'E_SIGNATURE', message: /revoked/ });
});

test('without the key, or without gpg, a warning says how to get it', async (t) => {
  const { signer, file, signature } = await signedFile(t);
  const empty = await keyring();
  t.teardown(() => empty.close());
  const without = await checkSignature(withHome(empty.home), file, signature, 'image', signer.fingerprint);
  t.is(without.kind, 'unchecked');
  t.regex(without.kind === 'unchecked' ? without.message : '', new RegExp(`gpg --recv-keys ${signer.fingerprint}`));
  const absent = await checkSignature(createContext({ environment: { PATH: '/nowhere' } }), file, signature, 'image', signer.fingerprint);
  t.regex(absent.kind === 'unchecked' ? absent.message : '', /install gnupg/);
});

test('a good signature that has expired is refused', (t) => {
  const status = ['[GNUPG:] EXPSIG AAAA Images', `[GNUPG:] VALIDSIG ${raspberryPiKey} 2025-11-24 1 1 4 0 22 10 00 ${raspberryPiKey}`].join('\n');
  t.throws(() => readGpgStatus(status, 'image', raspberryPiKey), { code: 'E_SIGNATURE', message: /expired/ });
});

test('gpg asks no key server, starts no agent and changes no trust', (t) => {
  t.deepEqual(gpgVerify('a.sig', 'a'), {
    program: 'gpg',
    args: ['--batch', '--no-tty', '--no-autostart', '--disable-dirmngr', '--no-auto-key-retrieve', '--trust-model=always', '--status-fd=1', '--verify', '--', 'a.sig', 'a'],
    env: { LC_ALL: 'C' },
  });
});
