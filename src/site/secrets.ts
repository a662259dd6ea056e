import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Context } from '../context.ts';
import { ConfigurationError, ExitStatus, ShipError, type Place } from '../errors.ts';
import { run } from '../host/process.ts';
import { Secret } from '../secret.ts';
import type { Component, Deployment } from './model.ts';
import type { SecretSource } from './schema/secret-source.ts';

/** A password manager may ask its user first. */
const commandTimeoutMs = 120_000;
/** Any exit status is an answer, so that a failing command's standard output is never shown. */
const anyExitStatus = Array.from({ length: 255 }, (_, index) => index + 1);

/** A secret of which only the origin is known: loading a site runs no password manager. */
export class UnresolvedSecret extends Secret {
  readonly variable: string;
  readonly source: SecretSource;
  readonly place: Place;
  /** The site file's folder; relative paths start here, and commands run here. */
  readonly directory: string;

  constructor(variable: string, source: SecretSource, place: Place, directory: string) {
    super('');
    this.variable = variable;
    this.source = source;
    this.place = place;
    this.directory = directory;
  }

  /** @throws ShipError E_SECRET_NOT_RESOLVED always: `resolveSecrets` makes the secret that can be revealed */
  override reveal(): string {
    throw new ShipError({ code: 'E_SECRET_NOT_RESOLVED', message: `The secret '${this.variable}' was used before it was fetched`, remedy: 'This is a fault of prose-ship; please report it.' });
  }
}

/** A secret variable that the site leaves out. */
export class UnsetSecret extends Secret {
  readonly variable: string;

  constructor(variable: string) {
    super('');
    this.variable = variable;
  }

  /** @throws ShipError E_MISSING_VALUE always */
  override reveal(): string {
    throw new ShipError({
      code: 'E_MISSING_VALUE',
      message: `The site does not give the secret '${this.variable}'`,
      remedy: 'Say under `secrets` of the site where it comes from.',
      exitStatus: ExitStatus.usage,
    });
  }
}

/** A secret variable that the site leaves out, and that each host makes for itself. */
export class GeneratedSecret extends UnsetSecret {}

/** The names of the secret variables that builds use. */
export function buildSecrets({ recipe }: Deployment): string[] {
  const secrets = recipe.components.flatMap((component) => Object.values(component.secrets));
  return [...new Set(secrets.flatMap((secret) => (secret instanceof UnresolvedSecret ? [secret.variable] : [])))];
}

/**
 * The deployment with the named secrets (default: all) fetched from where the site says; one after another, because a
 * password manager may ask. Every value is registered for redaction.
 * @throws ConfigurationError of E_SECRET_UNAVAILABLE, one for each secret that could not be had; ShipError E_INTERRUPTED
 */
export async function resolveSecrets(context: Context, deployment: Deployment, names?: readonly string[]): Promise<Deployment> {
  const resolved = new Map<string, Secret>();
  const problems: ShipError[] = [];
  for (const [name, value] of Object.entries(deployment.variables)) {
    if (!(value instanceof UnresolvedSecret) || (names && !names.includes(name))) continue;
    try {
      resolved.set(name, await fetchSecret(context, value));
    } catch (error) {
      if (context.signal.aborted || !(error instanceof ShipError)) throw error;
      problems.push(error);
    }
  }
  if (problems.length > 0) throw new ConfigurationError(problems);
  const settle = <Value>(value: Value): Value | Secret => (value instanceof UnresolvedSecret ? (resolved.get(value.variable) ?? value) : value);
  const settleComponent = (component: Component): Component => ({
    ...component,
    secrets: Object.fromEntries(Object.entries(component.secrets).map(([id, secret]) => [id, settle(secret)])),
  });
  return {
    ...deployment,
    variables: Object.fromEntries(Object.entries(deployment.variables).map(([name, value]) => [name, settle(value)])),
    recipe: { ...deployment.recipe, components: deployment.recipe.components.map(settleComponent) },
  };
}

/**
 * One secret from where the site says, registered for redaction.
 * @throws ShipError E_SECRET_UNAVAILABLE
 */
export async function fetchSecret(context: Context, secret: UnresolvedSecret): Promise<Secret> {
  const { source } = secret;
  const value = (
    'env' in source
      ? fromEnvironment(context, secret, source.env)
      : 'file' in source
        ? await fromFile(context, secret, source.file)
        : await fromCommand(context, secret, source.command)
  ).replace(/\r?\n$/, '');
  if (value === '') throw unavailable(secret, 'is empty', 'Give it a value where it comes from.');
  return context.secrets.add(value);
}

function fromEnvironment(context: Context, secret: UnresolvedSecret, name: string): string {
  const value = context.environment[name];
  if (value === undefined) {
    throw unavailable(secret, `comes from the environment variable ${name}, which is not set`, `Set it without leaving it in the shell's history: read -rs ${name} && export ${name}`);
  }
  return value;
}

async function fromFile(context: Context, secret: UnresolvedSecret, file: string): Promise<string> {
  const home = context.environment['HOME'] ?? os.homedir();
  const target = path.resolve(secret.directory, file.replace(/^~(?=\/)/, home));
  try {
    return await readFile(target, 'utf8');
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read';
    throw unavailable(secret, `comes from the file '${target}', which ${why}`, 'Create the file with the value in it, readable by you alone, or name another.', cause);
  }
}

async function fromCommand(context: Context, secret: UnresolvedSecret, command: readonly string[]): Promise<string> {
  const [program = '', ...args] = command;
  const told = `comes from the command \`${program}\`, which`;
  try {
    const result = await run(context, { program, args, cwd: secret.directory }, { timeoutMs: commandTimeoutMs, expect: anyExitStatus });
    if (result.exitCode === 0) return result.stdout;
    throw unavailable(secret, `${told} failed with exit status ${result.exitCode}`, 'Run the command by hand; it must print the value and nothing else.', undefined, context.secrets.redact(result.stderr));
  } catch (error) {
    if (!(error instanceof ShipError) || error.code === 'E_SECRET_UNAVAILABLE' || context.signal.aborted) throw error;
    const why = error.code === 'E_COMMAND_NOT_FOUND' ? 'is not installed' : error.code === 'E_TIMEOUT' ? 'took too long' : 'did not end by itself';
    throw unavailable(secret, `${told} ${why}`, 'Run the command by hand; it must print the value and nothing else.');
  }
}

function unavailable(secret: UnresolvedSecret, why: string, remedy: string, cause?: unknown, output?: string): ShipError {
  return new ShipError({
    code: 'E_SECRET_UNAVAILABLE',
    message: `The secret '${secret.variable}' ${why}`,
    remedy,
    place: secret.place,
    exitStatus: ExitStatus.usage,
    ...(output ? { output } : {}),
    cause,
  });
}
