import type { Command } from '../host/process.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';

/** Everything that one `docker buildx build` is told. */
export interface BuildxStep {
  readonly dockerHost?: string;
  readonly builder?: string;
  readonly contextDirectory: string;
  readonly dockerfile: string;
  readonly target?: string;
  readonly platforms: readonly Platform[];
  readonly sourceDateEpoch: number;
  readonly args: Readonly<Record<string, string>>;
  /** BuildKit's id → a private file with the value. */
  readonly secretFiles: Readonly<Record<string, string>>;
  /** Name → context: `debian:trixie-slim` → `oci-layout://DIR:TAG`. */
  readonly namedContexts: Readonly<Record<string, string>>;
  readonly cacheFrom?: string;
  readonly cacheTo?: string;
  readonly noCache: boolean;
  readonly output: BuildxOutput;
}

export type BuildxOutput =
  /** An OCI layout directory; needs the containerd image store or a builder of its own. */
  | { readonly kind: 'layout'; readonly directory: string }
  /** Into the engine's image store; one platform at a time. */
  | { readonly kind: 'load'; readonly reference: string }
  /** The files of the target stage; every driver can do this. */
  | { readonly kind: 'files'; readonly directory: string };

/**
 * Uncompressed layers, so that a blob's digest is its diffID, and rewritten times, so that two builds give the same
 * bytes (BuildKit's page on reproducible builds). No attestations: they hold times and would be shipped to every host.
 */
export function buildxBuild(step: BuildxStep): Command {
  return {
    program: 'docker',
    args: [
      'buildx',
      'build',
      ...(step.builder ? ['--builder', step.builder] : []),
      '--progress=plain',
      '--provenance=false',
      '--sbom=false',
      '--platform',
      step.platforms.map(formatPlatform).join(','),
      '--file',
      step.dockerfile,
      ...(step.target ? ['--target', step.target] : []),
      ...pairs('--build-arg', { ...step.args, SOURCE_DATE_EPOCH: String(step.sourceDateEpoch) }),
      ...pairs('--build-context', step.namedContexts),
      ...Object.entries(step.secretFiles).flatMap(([id, file]) => ['--secret', fields({ id, src: file })]),
      ...(step.cacheFrom ? ['--cache-from', fields({ type: 'local', src: step.cacheFrom })] : []),
      ...(step.cacheTo ? ['--cache-to', fields({ type: 'local', dest: step.cacheTo, mode: 'max' })] : []),
      ...(step.noCache ? ['--no-cache'] : []),
      ...outputArgs(step.output),
      step.contextDirectory,
    ],
    ...environment(step),
  };
}

/** Asks how the builder works; `Driver: docker` is the engine's embedded BuildKit. */
export function buildxInspect(step: Pick<BuildxStep, 'builder' | 'dockerHost'>): Command {
  return { program: 'docker', args: ['buildx', 'inspect', ...(step.builder ? [step.builder] : [])], ...environment(step) };
}

/** Asks a registry for an image, by the client's own credentials and mirrors. */
export function imagetoolsInspect(step: Pick<BuildxStep, 'builder' | 'dockerHost'>, reference: string): Command {
  const builder = step.builder ? ['--builder', step.builder] : [];
  return { program: 'docker', args: ['buildx', 'imagetools', 'inspect', ...builder, '--raw', reference], ...environment(step) };
}

export function parseDriver(inspectOutput: string): string | undefined {
  return /^Driver:\s*(\S+)/m.exec(inspectOutput)?.[1];
}

function outputArgs(output: BuildxOutput): string[] {
  if (output.kind === 'load') return ['--load', '--tag', output.reference];
  if (output.kind === 'files') return ['--output', fields({ type: 'local', dest: output.directory })];
  const layout = {
    type: 'oci',
    dest: output.directory,
    tar: 'false',
    'rewrite-timestamp': 'true',
    compression: 'uncompressed',
    'force-compression': 'true',
  };
  return ['--output', fields(layout)];
}

function pairs(option: string, values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => [option, `${name}=${value}`]);
}

/** Such options are one CSV record: a value with a comma or a quote is quoted (RFC 4180). */
function fields(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .map((field) => (/[",]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field))
    .join(',');
}

function environment({ dockerHost }: Pick<BuildxStep, 'dockerHost'>): Pick<Command, 'env'> {
  return dockerHost ? { env: { DOCKER_HOST: dockerHost } } : {};
}
