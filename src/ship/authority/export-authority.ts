import { X509Certificate } from 'node:crypto';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { Device } from '../device.ts';
import { authorityPage } from './describe-authority.ts';
import { authorityDirectory, authorityFile, type Authority } from './read-authority.ts';

export type ExportFormat = 'pem' | 'der' | 'mobileconfig' | 'qr';

/** What a QR code is drawn for. */
export type QrSurface = 'file' | 'terminal' | 'text';

/** The types of qrencode(1): a picture, blocks with colours of their own, and bare ones. */
const qrTypes: Readonly<Record<QrSurface, string>> = { file: 'SVG', terminal: 'ANSIUTF8', text: 'UTF8' };

/**
 * What clients are given. It is the certificate that was read, and nothing else: whatever else stood in the host's file stays there.
 * @throws ShipError E_AUTHORITY_PROFILE, E_AUTHORITY_NOT_SERVED, E_NO_QRENCODE
 */
export async function exportAuthority(device: Device, authority: Authority, format: ExportFormat, surface: QrSurface): Promise<string | Buffer> {
  switch (format) {
    case 'pem':
      return authority.certificate.toString();
    case 'der':
      return authority.certificate.raw;
    case 'mobileconfig':
      return appleProfile(device, authority);
    case 'qr':
      return qrCode(device, surface);
  }
}

async function appleProfile(device: Device, { fingerprint }: Authority): Promise<string> {
  const profile = await authorityFile(device, 'ca.mobileconfig');
  if (profile !== undefined && fingerprintsIn(profile).join() === fingerprint) return `${profile.trimEnd()}\n`;
  const what = profile === undefined ? 'is not there' : 'holds something else than the authority\'s certificate';
  throw new ShipError({
    code: 'E_AUTHORITY_PROFILE',
    message: `${authorityDirectory}/ca.mobileconfig on ${device.host.name} ${what}`,
    remedy: `The host writes it anew within three hours. At once: \`prose-ship exec --sudo ${device.host.name} -- systemctl start SITE-certificates.service\`.`,
    exitStatus: ExitStatus.preflight,
  });
}

/** The fingerprints of all data that a configuration profile holds. */
export function fingerprintsIn(profile: string): string[] {
  return [...profile.matchAll(/<data>([^<]*)<\/data>/g)].map(([, data = '']) => {
    try {
      return new X509Certificate(Buffer.from(data, 'base64')).fingerprint256;
    } catch {
      return 'not a certificate';
    }
  });
}

/** A phone reads an address from it; what that page hands out has a fingerprint to be compared. */
async function qrCode(device: Device, surface: QrSurface): Promise<string> {
  const { host: { name }, connection } = device;
  const page = await authorityPage(device);
  if (page === undefined) {
    throw new ShipError({
      code: 'E_AUTHORITY_NOT_SERVED',
      message: `No web server of ${name} hands its authority out, so a QR code has nothing to point to`,
      remedy: 'Set `web: true` and update the host, or carry the file: `--format mobileconfig` or `pem`.',
      exitStatus: ExitStatus.preflight,
    });
  }
  const { exitCode, stdout } = await connection.run(['qrencode', `--type=${qrTypes[surface]}`, '--output=-', page], { expect: [127] });
  if (exitCode === 0) return stdout;
  throw new ShipError({
    code: 'E_NO_QRENCODE',
    message: `${name} has no qrencode`,
    remedy: `\`prose-ship provision ${name}\` installs the packages of its recipe. Or type the address into the phone: ${page}`,
    exitStatus: ExitStatus.preflight,
  });
}
