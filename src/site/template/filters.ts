import semver from 'semver';
import { ExitStatus, ShipError } from '../../errors.ts';
import { isAddress, isPrivateAddress } from '../../host/address.ts';

/** What templates and conditions may ask about a value; see docs/recipes/writing-a-recipe.md. */
export const valueFilters: Readonly<Record<string, (value: unknown, ...rest: unknown[]) => unknown>> = {
  is_address: (value) => isAddress(textOf(value)),
  is_private_address: (value) => isPrivateAddress(textOf(value)),
  semver: (value, range) => satisfies(textOf(value), textOf(range)),
  ends_with: (value, end) => textOf(value).endsWith(textOf(end)),
  not: (value) => value === false || value === null || value === undefined,
};

/** What is neither text nor number is no address and no version. */
function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
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
