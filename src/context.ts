import path from 'node:path';
import os from 'node:os';
import type { Emit } from './events.ts';
import { SecretRegistry } from './secret.ts';

/** What every stage is handed: where to report to, when to stop, and the surroundings that it may use. */
export interface Context {
  readonly emit: Emit;
  /** Aborted on Ctrl-C; whoever starts something long listens. */
  readonly signal: AbortSignal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where bases, layer caches and the private engine live; may be deleted at any time. */
  readonly cacheDirectory: string;
  /** Values that must never be shown; the process gateway and the reporters redact them. */
  readonly secrets: SecretRegistry;
}

/** A context of the surroundings of this process, silent unless `emit` is given. */
export function createContext(options: Partial<Context> = {}): Context {
  const environment = options.environment ?? process.env;
  return {
    emit: options.emit ?? (() => {}),
    signal: options.signal ?? new AbortController().signal,
    environment,
    cacheDirectory: options.cacheDirectory ?? defaultCacheDirectory(environment),
    secrets: options.secrets ?? new SecretRegistry(),
  };
}

/** `PROSE_SHIP_CACHE`, else the XDG cache folder (XDG Base Directory Specification), else macOS's. */
function defaultCacheDirectory(environment: Context['environment']): string {
  if (environment['PROSE_SHIP_CACHE']) return path.resolve(environment['PROSE_SHIP_CACHE']);
  const home = environment['HOME'] ?? os.homedir();
  const base =
    environment['XDG_CACHE_HOME'] ?? path.join(home, process.platform === 'darwin' ? 'Library/Caches' : '.cache');
  return path.join(base, 'prose-ship');
}
