import { ShipError } from '../errors.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import type { BuildProgress } from './progress.ts';

/** The E_BUILD_FAILED of a component: the failing step, its last lines, and what to do. Already redacted lines go in. */
export function buildFailure(
  component: string,
  build: { readonly dockerfile: string; readonly platforms: readonly Platform[] },
  progress: BuildProgress,
  cause: unknown,
): ShipError {
  const failed = progress.failure();
  const platform = failed?.platform ?? build.platforms.map(formatPlatform).join(', ');
  const reason = failed?.reason ?? (cause instanceof Error ? cause.message : 'buildx failed');
  const step = failed?.name ? ` in the step ${failed.name}` : '';
  const output = failed?.lines.join('\n') || (cause instanceof ShipError ? cause.output : undefined);
  return new ShipError({
    code: 'E_BUILD_FAILED',
    message: `Building '${component}' for ${platform} failed${step}: ${reason}`,
    place: { file: build.dockerfile },
    remedy: remedyFor(reason, output ?? ''),
    ...(output ? { output } : {}),
    cause,
  });
}

function remedyFor(reason: string, output: string): string {
  const text = `${reason}\n${output}`;
  if (/exec format error/i.test(text)) return 'This machine cannot run that platform: `prose-ship doctor --fix` sets emulation up.';
  if (/failed to resolve source metadata|failed to do request/.test(text)) {
    return 'The base image cannot be fetched: name it under `bases` of the component, or use `--bases bootstrap`.';
  }
  if (/no space left on device/i.test(text)) return 'Free some space: `docker system df` shows what the engine keeps.';
  if (/not found$/.test(reason) && /cache key|checksum/.test(reason)) {
    return 'The Dockerfile copies a file which the build context does not have; look at `source` and at .dockerignore.';
  }
  return 'Correct the Dockerfile or its source and build again; finished steps are cached.';
}
