import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { run } from '../../host/process.ts';
import { signatureNamespace } from '../../site/allowed-signers.ts';
import { checksumsFile } from '../checksums.ts';
import { sshCheck, sshFindPrincipals, sshVerify } from './commands.ts';
import { parseSshSignature, type SshSignature } from './ssh-signature.ts';

/** The signature of SHA256SUMS, which covers every file of a release. It lies beside them and is part of no id. */
export const signatureFile = 'SHA256SUMS.sig';

/** Who signed a release. */
export interface Signer {
  /** `SHA256:...` */
  readonly fingerprint: string;
  readonly keyType: string;
  /** The name of the allowed signer; absent where nobody was asked for. */
  readonly principal?: string;
}

export async function isSigned(directory: string): Promise<boolean> {
  return (await readSignature(directory)) !== undefined;
}

/**
 * Checks the signature of a release's SHA256SUMS, today. Without a file of allowed signers it only has to fit, and an
 * unsigned release has no signer.
 * @throws ShipError E_SIGNATURE_MISSING, E_SIGNATURE_DAMAGED, E_SIGNATURE_NAMESPACE (made for something else, or whoever
 *   made it may not sign releases), E_SIGNATURE_SIGNER (nobody of the file), E_SIGNATURE_EXPIRED (outside of the key's dates); exit status 3
 */
export async function verifySignature(context: Context, directory: string, allowedSignersFile?: string): Promise<Signer | undefined> {
  const text = await readSignature(directory);
  if (text === undefined) {
    if (allowedSignersFile === undefined) return undefined;
    throw refusal('MISSING', directory, 'is not signed', 'Sign it: `prose-ship release --sign KEY`.');
  }
  const signature = parseSshSignature(text);
  if (!signature) throw refusal('DAMAGED', directory, `has a damaged signature: ${signatureFile} is none of OpenSSH's`, again);
  if (signature.namespace !== signatureNamespace) {
    throw refusal('NAMESPACE', directory, `has a signature that was made for '${signature.namespace}', not for '${signatureNamespace}'`, again);
  }
  const file = path.join(directory, signatureFile);
  const input = await readFile(path.join(directory, checksumsFile)).catch(() => '');
  if ((await run(context, sshCheck(file), { input, expect: [255] })).exitCode !== 0) {
    throw refusal('DAMAGED', directory, `is not what was signed: its signature by ${signature.fingerprint} does not fit ${checksumsFile}`, again);
  }
  const signer = { fingerprint: signature.fingerprint, keyType: signature.keyType };
  if (allowedSignersFile === undefined) return signer;
  const found = await run(context, sshFindPrincipals(file, allowedSignersFile), { expect: [255] });
  const principals = found.exitCode === 0 ? found.stdout.split('\n').filter(Boolean) : [];
  let said = found.stderr;
  for (const principal of principals) {
    const { exitCode, stderr } = await run(context, sshVerify(file, allowedSignersFile, principal), { input, expect: [255] });
    if (exitCode === 0) return { ...signer, principal };
    said = stderr;
  }
  throw notAllowed(directory, signature, allowedSignersFile, { principal: principals[0], said });
}

const again = 'Do not use it. Fetch it again from where it came, or make and sign it again with `prose-ship release --sign KEY`.';

async function readSignature(directory: string): Promise<string | undefined> {
  return readFile(path.join(directory, signatureFile), 'utf8').catch(() => undefined);
}

function notAllowed(directory: string, { fingerprint }: SshSignature, file: string, { principal, said }: { principal: string | undefined; said: string }): ShipError {
  const who = principal === undefined ? `the key ${fingerprint}` : `${principal} (${fingerprint})`;
  const [, limit, date] = /(?:has expired|not yet valid): .*(valid-before|valid-after) (\S+)/.exec(said) ?? [];
  if (limit !== undefined) {
    const when = limit === 'valid-before' ? `has expired: it was good until ${date ?? ''}` : `is not good before ${date ?? ''}`;
    return refusal('EXPIRED', directory, `is signed by ${who}, which ${when}`, `Sign it with a key that is good today, or change the date in '${file}'.`, said);
  }
  if (/signature namespace/.test(said)) {
    return refusal('NAMESPACE', directory, `is signed by ${who}, who may not sign for '${signatureNamespace}'`, `Sign it with another key, or change \`namespaces\` in '${file}'.`, said);
  }
  return refusal('SIGNER', directory, `is signed by ${who}, whom '${file}' does not name`, 'Make sure where it comes from. If that key is to be trusted, add it to the file.', said);
}

function refusal(kind: 'MISSING' | 'DAMAGED' | 'NAMESPACE' | 'SIGNER' | 'EXPIRED', directory: string, what: string, remedy: string, output?: string): ShipError {
  return new ShipError({
    code: `E_SIGNATURE_${kind}`,
    message: `The release in '${directory}' ${what}`,
    place: { file: directory },
    ...(output ? { output } : {}),
    remedy,
    exitStatus: ExitStatus.preflight,
  });
}
