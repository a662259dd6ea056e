import semver from 'semver';
import { suggest } from '../yaml/nearest.ts';
import { countries, keyboardLayouts, systemUsers, timezones } from './os-names.ts';
import { judgePublicKey } from './public-key.ts';
import { text, type Refusal } from './words.ts';

/** RFC 1123 section 2.1: one label. */
const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export const hostname = text((value) => {
  const code = 'E_BAD_HOSTNAME';
  const rule = 'One label of a-z, 0-9 and inner hyphens, at most 63 characters.';
  if (/^\d+$/.test(value)) return { code, message: 'is a number, which programs take for an address', remedy: `Put a letter in it: pi${value}.` };
  if (label.test(value)) return undefined;
  const near = value.toLowerCase().split('.')[0]?.replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-+|-+$/g, '').slice(0, 63) ?? '';
  return { code, message: 'is not a host name', remedy: label.test(near) && !/^\d+$/.test(near) ? `Write it as '${near}'.` : rule };
}, label);

/** Debian's NAME_REGEX (adduser.conf) and the kernel tools' limit of 32 characters. */
const loginName = /^[a-z][a-z0-9_-]{0,31}$/;

export const loginUser = text((value) => {
  const code = 'E_BAD_USER';
  if (!loginName.test(value)) return { code, message: 'is not a user name of Debian', remedy: 'Lower-case letters, digits, hyphens and underscores, beginning with a letter, at most 32 characters.' };
  if (!systemUsers.has(value)) return undefined;
  return { code, message: 'is taken by the system', remedy: value === 'root' ? "Nobody logs in as root; choose a name such as 'pi', which gets sudo." : "Choose another name, such as 'pi'." };
}, loginName);

/** A zone of the tz database with its own spelling; links (Asia/Kolkata) as well as canonical names. */
export const timezone = text((value) => {
  if (timezones.includes(value)) return undefined;
  const spelled = /^[A-Z][A-Za-z0-9+_-]*(?:\/[A-Z][A-Za-z0-9+_-]*)*$/.test(value) && !timezones.some((zone) => zone.toLowerCase() === value.toLowerCase());
  if (spelled && isKnownZone(value)) return undefined;
  return { code: 'E_BAD_TIMEZONE', message: 'is not a time zone', remedy: suggest(value, timezones, 'Time zones') };
});

function isKnownZone(value: string): boolean {
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: value }));
  } catch {
    return false;
  }
}

export const country = text((value) => {
  if (countries.has(value)) return undefined;
  // The code that is used for the United Kingdom everywhere but in ISO 3166-1.
  const meant = value.toUpperCase() === 'UK' ? 'GB' : value.toUpperCase();
  const remedy = countries.has(meant) ? `Did you mean '${meant}'?` : 'Two capital letters of ISO 3166-1, as in DE, FR, GB or US: the radio may use the channels of that country.';
  return { code: 'E_BAD_COUNTRY', message: 'is not a country code', remedy };
}, /^[A-Z]{2}$/);

const localePattern = /^(?:C|[a-z]{2,3}_(?<country>[A-Z]{2}))\.UTF-8(?:@[a-z]+)?$/;

export const locale = text((value) => {
  const match = localePattern.exec(value);
  const place = match?.groups?.['country'];
  if (match && (place === undefined || countries.has(place))) return undefined;
  const near = /^([a-z]{2,3})[_-]([a-z]{2})(?:\.utf-?8)?$/i.exec(value);
  const better = near && `${near[1]?.toLowerCase() ?? ''}_${near[2]?.toUpperCase() ?? ''}.UTF-8`;
  const remedy = better && countries.has(better.slice(-8, -6)) ? `Write it as '${better}'.` : 'C.UTF-8, or language, country and UTF-8 as in en_GB.UTF-8.';
  return { code: 'E_BAD_LOCALE', message: 'is not a UTF-8 locale', remedy };
}, localePattern);

export const keyboard = text((value) => {
  if (keyboardLayouts.has(value)) return undefined;
  return { code: 'E_BAD_KEYBOARD', message: 'is not a keyboard layout', remedy: value === 'uk' || value === 'en' ? "Did you mean 'gb' or 'us'?" : suggest(value, keyboardLayouts, 'Layouts') };
});

export const publicKey = text(judgePublicKey);

/** IEEE 802.11-2020 section 9.4.2.2: 1 to 32 octets. */
export const ssid = text((value) => {
  if (value !== '' && Buffer.byteLength(value) <= 32) return undefined;
  return { code: 'E_BAD_SSID', message: 'is not the name of a Wi-Fi network', remedy: 'From 1 to 32 bytes; letters beyond ASCII take two or more.' };
});

/** Debian Policy section 5.6.1. */
export const packageName = text((value) => {
  if (/^[a-z0-9][a-z0-9+.-]+$/.test(value)) return undefined;
  return { code: 'E_BAD_PACKAGE', message: 'is not the name of a Debian package', remedy: 'Lower-case letters, digits, +, - and dots; without a version.' };
}, /^[a-z0-9][a-z0-9+.-]+$/);

const baseNames = ['raspios-lite', 'raspios-legacy', 'debian'];

export const baseName = text((value) => {
  if (baseNames.includes(value) || /^https?:\/\/\S+$/.test(value) || value.includes('/') || /\.(?:img|raw|xz|zst|gz|zip)$/.test(value)) return undefined;
  return { code: 'E_BAD_BASE', message: 'is not a base', remedy: `${suggest(value, baseNames, 'Bases')} A file of your own is given by its path (./my.img.xz), a download by its URL.` };
});

const sizePattern = /^(\d+)(MiB|GiB)$/;

export const imageSize = text((value): Refusal | undefined => {
  const code = 'E_BAD_SIZE';
  const sizeBytes = parseSize(value);
  if (sizeBytes === undefined) return { code, message: 'is not a size', remedy: 'A whole number and its unit: 4GiB or 3800MiB.' };
  if (sizeBytes >= 1024 ** 3 && sizeBytes <= 2 * 1024 ** 4) return undefined;
  return { code, message: 'is out of range', remedy: 'From 1GiB to 2048GiB.' };
}, sizePattern);

/** Bytes of '4GiB'; undefined for anything else. */
export function parseSize(value: string): number | undefined {
  const [, number, unit] = sizePattern.exec(value) ?? [];
  return number === undefined ? undefined : Number(number) * 1024 ** (unit === 'GiB' ? 3 : 2);
}

/** Only lower bounds: what comes after today cannot be known to fail, and a shell on the base compares them. */
export const minimumVersion = text((value) => {
  if (parseMinimum(value) !== undefined) return undefined;
  const near = semver.coerce(value);
  return { code: 'E_BAD_VERSION', message: 'is not an oldest version', remedy: near ? `Did you mean '>=${near.version}'?` : "Two characters and a version: '>=24' or '>=2.20.0'." };
}, /^>=\s*\d+(?:\.\d+){0,2}$/);

/** '24.0.0' of '>=24'; undefined for anything else. */
export function parseMinimum(value: string): string | undefined {
  return /^>=\s*\d+(?:\.\d+){0,2}$/.test(value) ? semver.minVersion(value)?.version : undefined;
}

/** IEEE 802.11 section J.4.1: 8 to 63 printable ASCII characters, or the key itself in hex. The value is never shown. */
export function judgePassphrase(value: string): Refusal | undefined {
  if (/^[\x20-\x7e]{8,63}$/.test(value) || /^[0-9a-f]{64}$/i.test(value)) return undefined;
  return {
    code: 'E_BAD_PASSPHRASE',
    message: /^[\x20-\x7e]*$/.test(value) ? `has ${value.length} characters` : 'has characters beyond ASCII',
    remedy: 'A WPA passphrase has 8 to 63 ASCII characters.',
    hidden: true,
  };
}
