import { domainToASCII } from 'node:url';
import semver from 'semver';
import { z } from 'zod';
import { formatPlatform, parsePlatform } from '../../oci/platform.ts';

/** Why a text is refused: `message` continues "`key` 'value' ...", `remedy` says what to write. */
export interface Refusal {
  readonly code: `E_${string}`;
  readonly message: string;
  readonly remedy: string;
  /** The value is, or may hold, a secret: it is not shown. */
  readonly hidden?: boolean;
}

/** A string schema with a judge of its own; `pattern` is what editors check it with. */
export function text(judge: (value: string) => Refusal | undefined, pattern?: RegExp) {
  const schema = z.string().check((payload) => {
    const refusal = judge(payload.value);
    if (refusal) payload.issues.push({ code: 'custom', input: payload.value, message: refusal.message, params: { ...refusal } });
  });
  return pattern ? schema.meta({ pattern: pattern.source }) : schema;
}

function matching(pattern: RegExp, code: Refusal['code'], message: string, remedy: string) {
  return text((value) => (pattern.test(value) ? undefined : { code, message, remedy }), pattern);
}

const domainPattern = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

export function isDomain(value: string): boolean {
  return judgeDomain(value) === undefined;
}

/** Judges a host name by RFC 1123 section 2.1 and RFC 1035 section 2.3.4, in lower case; an address is no domain. */
export function judgeDomain(value: string): Refusal | undefined {
  const isAddress = /^[\d.]+$/.test(value);
  if (domainPattern.test(value) && !isAddress) return undefined;
  const ascii = domainToASCII(value.replace(/\.$/, '').trim());
  const better = ascii !== value && domainPattern.test(ascii) && !/^[\d.]+$/.test(ascii);
  return {
    code: 'E_BAD_DOMAIN',
    message: isAddress ? 'is an address, not a domain' : 'is not a domain name',
    remedy: better
      ? `Write it as '${ascii}'.`
      : 'Labels of a-z, 0-9 and inner hyphens, at most 63 characters each, joined by dots: chat.example.org.',
  };
}

/** Semantic Versioning 2.0 without build metadata, because `+` may not stand in an image tag. */
function judgeVersion(value: string): Refusal | undefined {
  if (semver.valid(value) === value) return undefined;
  const near = semver.coerce(value, { includePrerelease: true })?.version;
  return {
    code: 'E_BAD_VERSION',
    message: 'is not a semantic version',
    remedy: near ? `Did you mean '${near}'?` : 'Three numbers, as in 1.0.0 or 1.1.0-rc.1.',
  };
}

export const domainName = text(judgeDomain, domainPattern);
export const semanticVersion = text(judgeVersion, /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/);

/** node-semver's ranges; `*` and the like say nothing, so they are no mistake but no use either. */
export const versionRange = text((value) =>
  semver.validRange(value) !== null && value.trim() !== ''
    ? undefined
    : { code: 'E_BAD_VERSION', message: 'is not a range of versions', remedy: "As in '>=1.2.0', '>=1.2.0 <3.0.0' or '^1.2.0 || ^2.0.0'." },
);

export const projectName = matching(
  /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/,
  'E_BAD_NAME',
  'is not a name',
  'Use lower-case letters, digits and inner hyphens, at most 40 characters: it names the Compose project.',
);

export const serviceName = matching(
  /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}$/,
  'E_BAD_NAME',
  'is not a name',
  'Use letters, digits, hyphens and underscores, beginning with a letter or digit.',
);

export const variableName = matching(
  /^(?!(?:site|recipe|component)$)[a-z][a-z0-9_]*$/,
  'E_BAD_NAME',
  'is not a variable name',
  "Use lower-case letters, digits and underscores, beginning with a letter; 'site', 'recipe' and 'component' are taken.",
);

/** Names of things that end up as one path segment: rendered files, secrets. */
export const fileName = matching(
  /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/,
  'E_BAD_NAME',
  'is not a plain file name',
  'Use letters, digits, dots, hyphens and underscores, without folders.',
);

/** Part of an image tag (distribution's grammar), so `+` and `~` of Debian versions are out. */
export const softwareVersion = matching(
  /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/,
  'E_BAD_VERSION',
  'cannot be part of an image tag',
  'Use letters, digits, dots, hyphens and underscores.',
);

export const environmentName = matching(
  /^[A-Za-z_][A-Za-z0-9_]*$/,
  'E_BAD_NAME',
  'is not the name of an environment variable',
  'Name the variable, without `$`: SMTP_PASSWORD.',
);

export const platformName = text((value) => {
  const platform = parsePlatform(value);
  if (platform?.os === 'linux' && formatPlatform(platform) === value) return undefined;
  const normal = platform?.os === 'linux' ? formatPlatform(platform) : undefined;
  return {
    code: 'E_BAD_PLATFORM',
    message: 'is not a platform of Linux',
    remedy: normal ? `Write it as '${normal}'.` : 'Use linux/arm/v7, linux/arm64 or linux/amd64.',
  };
}, /^linux\/[a-z0-9]+(?:\/[a-z0-9]+)?$/);

/** What `ssh` takes as destination; never an option, never with a port in it. */
export const hostAddress = text((value) => {
  const remedy = 'A host name, an address, or an alias of your ssh_config; user and port have keys of their own: {address: pi.local, user: pi, port: 22}.';
  const code = 'E_BAD_ADDRESS';
  if (!/^[^\s@-][^\s@]*$|^[^\s@-][^\s@]*@[^\s@-][^\s@]*$/.test(value)) return { code, message: 'is not an address', remedy };
  return /^[^:]*:\d+$/.test(value) ? { code, message: 'has a port in it', remedy } : undefined;
});

export const userName = matching(/^[A-Za-z_][A-Za-z0-9_.-]*\$?$/, 'E_BAD_NAME', 'is not a user name', 'The login name on the host: pi.');

export const port = z.int().min(1).max(65_535);
