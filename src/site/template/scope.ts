import { ExitStatus, ShipError } from '../../errors.ts';
import { Secret } from '../../secret.ts';
import type { VariableValue } from '../model.ts';
import { GeneratedSecret, UnsetSecret } from '../secrets.ts';

/**
 * What templates see. The release's version is left out on purpose: a file that holds it would change with every
 * release, and so restart services in which nothing else changed.
 */
export function templateScope(
  site: { readonly name: string; readonly domain: string; readonly profile?: string | undefined },
  recipe: { readonly name: string; readonly version: string },
  variables: Readonly<Record<string, VariableValue>>,
): Record<string, unknown> {
  return {
    ...Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, visible(name, value)])),
    site: { name: site.name, domain: site.domain, ...(site.profile === undefined ? {} : { profile: site.profile }) },
    recipe: { name: recipe.name, version: recipe.version },
  };
}

function visible(name: string, value: VariableValue): unknown {
  if (value instanceof UnsetSecret && !(value instanceof GeneratedSecret)) return null;
  return value instanceof Secret ? new SecretStandIn(name) : value;
}

/** Stands in templates where a secret is: true in a condition, an error when it is printed, whatever filter it went through. */
export class SecretStandIn {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  #refuse(): never {
    throw new ShipError({
      code: 'E_SECRET_IN_TEMPLATE',
      message: `The template prints the secret '${this.#name}'`,
      remedy: `A release holds no secret. Mount the file that holds it on the host instead: {{ '${this.#name}' | secret_file }} in the Compose template.`,
      exitStatus: ExitStatus.usage,
    });
  }

  toString(): string {
    return this.#refuse();
  }

  valueOf(): string {
    return this.#refuse();
  }

  toJSON(): string {
    return this.#refuse();
  }

  [Symbol.toPrimitive](): string {
    return this.#refuse();
  }
}
