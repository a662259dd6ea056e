import { inspect } from 'node:util';

const shown = '[secret]';

/** A value that prints as `[secret]` however it is printed; `reveal()` is the only way to it. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return shown;
  }

  toJSON(): string {
    return shown;
  }

  [inspect.custom](): string {
    return shown;
  }
}

/** The secrets that this run has seen, so that tools' output can be redacted before anyone reads it. */
export class SecretRegistry {
  readonly #values = new Set<string>();

  add(value: string): Secret {
    // Shorter values would redact half of every sentence; they are still never put into argv or events by us.
    if (value.trim().length >= 4) this.#values.add(value.trim());
    return new Secret(value);
  }

  redact(text: string): string {
    let redacted = text;
    for (const value of this.#values) redacted = redacted.replaceAll(value, shown);
    return redacted;
  }
}
