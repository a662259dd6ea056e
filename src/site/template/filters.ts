import { BlockList, isIP } from 'node:net';
import semver from 'semver';
import { ExitStatus, ShipError } from '../../errors.ts';

/** What templates and conditions may ask about a value; see docs/writing-a-recipe.md. */
export const valueFilters: Readonly<Record<string, (value: unknown, ...rest: unknown[]) => unknown>> = {
  is_address: (value) => isIP(String(value ?? '')) !== 0,
  is_private_address: (value) => isPrivateAddress(String(value ?? '')),
  semver: (value, range) => satisfies(String(value ?? ''), String(range ?? '')),
  not: (value) => value === false || value === null || value === undefined,
};

/** Addresses that nobody reaches from the internet (RFC 6890, the IANA special-purpose registries), examples left out. */
const privateNetworks = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) privateNetworks.addSubnet(network, bits, 'ipv4');
for (const [network, bits] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const) privateNetworks.addSubnet(network, bits, 'ipv6');

/** Whether it is an address, IPv4 or IPv6, that only its own network or host can reach. */
export function isPrivateAddress(address: string): boolean {
  const version = isIP(address);
  return version !== 0 && privateNetworks.check(address, version === 4 ? 'ipv4' : 'ipv6');
}

/** Pre-releases count like any version, as in `upgradeFrom`. */
function satisfies(version: string, range: string): boolean {
  if (range.trim() === '' || semver.validRange(range) === null) {
    throw refusal(`'${range}' is not a range of versions`, "As in `| semver: '>=1.2.0 <3.0.0'`.");
  }
  const parsed = semver.parse(version) ?? semver.coerce(version);
  if (!parsed) throw refusal(`'${version}' is not a version`, 'Give the filter `semver` something like 1.2.0.');
  return semver.satisfies(parsed, range, { includePrerelease: true });
}

function refusal(message: string, remedy: string): ShipError {
  return new ShipError({ code: 'E_BAD_VERSION', message, remedy, exitStatus: ExitStatus.usage });
}
