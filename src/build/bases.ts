import type { Context } from '../context.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import { run } from '../host/process.ts';
import type { Platform } from '../oci/platform.ts';
import { bootstrapBase } from './bootstrap/base-layout.ts';
import { parseDebianBase } from './bootstrap/mmdebstrap.ts';
import { imagetoolsInspect } from './buildx.ts';
import type { BasesProvider } from './plan.ts';

export interface BaseRequest {
  readonly reference: string;
  readonly platforms: readonly Platform[];
  readonly provider: BasesProvider;
  readonly sourceDateEpoch: number;
  readonly builder?: string;
  readonly dockerHost?: string;
  readonly onLine?: (line: string) => void;
  readonly onWarning?: (message: string) => void;
}

/** How a FROM reference is supplied to a build. */
export type ProvidedBase =
  | { readonly kind: 'registry'; readonly reference: string }
  | {
      readonly kind: 'bootstrap';
      readonly reference: string;
      /** OCI layout with one image index named `tag`. */
      readonly directory: string;
      readonly tag: string;
      readonly suite: string;
      /** This machine's mirror for RUN steps, offered as the build secret `apt-sources`; absent: Debian's ordinary one. */
      readonly aptSourcesFile?: string;
      /** True when nothing had to be made. */
      readonly isCached: boolean;
    };

/** A registry that has not answered by then does not. */
const probeMs = 15_000;

/**
 * `auto` takes the registry where it answers, because that is what a Dockerfile says, and Debian's packages elsewhere.
 * @throws ShipError E_BASE_UNAVAILABLE (exit status 3), E_BASE_PLATFORM, E_BOOTSTRAP_FAILED
 */
export async function provideBase(context: Context, request: BaseRequest): Promise<ProvidedBase> {
  const { reference, provider } = request;
  const base = parseDebianBase(reference);
  if (provider !== 'bootstrap') {
    const problem = await probeRegistry(context, request);
    if (problem === undefined) return { kind: 'registry', reference };
    if (provider === 'registry' || !base) throw unavailable(reference, problem);
  }
  if (!base) throw unavailable(reference, 'only debian:{trixie,bookworm}[-slim] can be made of packages');
  const { directory, tag, made, sourcesFile } = await bootstrapBase(context, { ...request, base });
  return {
    kind: 'bootstrap',
    reference,
    directory,
    tag,
    suite: base.suite,
    ...(sourcesFile ? { aptSourcesFile: sourcesFile } : {}),
    isCached: made.length === 0,
  };
}

/** Undefined when the registry has the image; else what it, or the network, said. */
async function probeRegistry(context: Context, request: BaseRequest): Promise<string | undefined> {
  try {
    await run(context, imagetoolsInspect(request, request.reference), { timeoutMs: probeMs });
    return undefined;
  } catch (error) {
    if (!(error instanceof ShipError) || !['E_COMMAND_FAILED', 'E_TIMEOUT'].includes(error.code)) throw error;
    return error.code === 'E_TIMEOUT' ? 'the registry did not answer' : (error.output?.split('\n').at(-1) ?? error.message);
  }
}

function unavailable(reference: string, problem: string): ShipError {
  return new ShipError({
    code: 'E_BASE_UNAVAILABLE',
    message: `The base image '${reference}' cannot be had: ${problem.replace(/^ERROR: /, '')}`,
    remedy: parseDebianBase(reference)
      ? 'Use `--bases bootstrap` to make it of Debian packages, or correct the access to the registry.'
      : 'Correct the access to the registry (`docker login`, proxy), or build from debian:trixie-slim.',
    exitStatus: ExitStatus.preflight,
  });
}
