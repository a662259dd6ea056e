import { styleText } from 'node:util';
import { ConfigurationError, formatPlace, ShipError } from '../../errors.ts';

/** Whether to colour what goes to `stream`: a terminal, and not forbidden (no-color.org). */
export function wantsColor(stream: NodeJS.WriteStream, environment: NodeJS.ProcessEnv): boolean {
  if (environment['NO_COLOR']) return false;
  return stream.isTTY || Boolean(environment['FORCE_COLOR']);
}

/** `12.3 MB`, in powers of 1000 as disks and links are sold. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let power = 0;
  // 999.5 is shown as 1000 where no digits follow, so it belongs to the next unit.
  while (power < units.length - 1 && bytes / 1000 ** power >= 999.5) power += 1;
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[power] ?? ''}`;
}

/** `0.4 s`, `12 s`, `3 min 05 s`, `2 h 07 min`. */
export function formatDuration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 90) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** Progress, rate and time left of a transfer that began `elapsedMs` ago. */
export function formatProgress(doneBytes: number, totalBytes: number | undefined, elapsedMs: number): string {
  const rate = elapsedMs > 500 ? doneBytes / (elapsedMs / 1000) : undefined;
  const parts = [totalBytes === undefined ? formatBytes(doneBytes) : `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`];
  if (rate) parts.push(`${formatBytes(rate)}/s`);
  if (rate && totalBytes !== undefined && totalBytes > doneBytes) parts.push(`${formatDuration(((totalBytes - doneBytes) / rate) * 1000)} left`);
  return parts.join(', ');
}

/** At most `width` columns; what was cut off is marked. */
export function shorten(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(width - 3, 0))}...`;
}

/** A table of left-aligned columns; numbers on the right. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const isNumber = header.map((_, column) => rows.length > 0 && rows.every((row) => /^(\d[\d.]*( [kMGT]?B)?)?$/.test(row[column] ?? '')));
  return all
    .map((row) =>
      row
        .map((cell, column) => (isNumber[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** An error for people: what, where, what the failed program said, what to do. */
export function formatError(error: unknown, options: { color: boolean; verbose: boolean }): string {
  const paint = (style: 'red' | 'dim' | 'cyan', text: string) => (options.color ? styleText(style, text, { validateStream: false }) : text);
  if (error instanceof ConfigurationError && error.problems.length > 1) {
    const problems = error.problems.map((problem) => formatError(problem, options));
    return [...problems, `${error.problems.length} problems`].join('\n');
  }
  if (!(error instanceof ShipError)) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `${paint('red', 'bug:')} ${message}\nThis is a fault of prose-ship; please report it with the lines above.`;
  }
  const lines = [`${paint('red', 'error:')} ${error.message} ${paint('dim', `(${error.code})`)}`];
  if (error.place) lines.push(`  at ${formatPlace(error.place)}`);
  if (error.output) lines.push(...error.output.split('\n').map((line) => paint('dim', `  | ${line}`)));
  if (error.remedy) lines.push(...error.remedy.split('\n').map((line, at) => `${at === 0 ? paint('cyan', '  ->') : '    '} ${line}`));
  if (options.verbose && error.stack) lines.push(paint('dim', error.stack));
  if (options.verbose && error.cause) lines.push(paint('dim', `caused by ${error.cause instanceof Error ? (error.cause.stack ?? '') : JSON.stringify(error.cause)}`));
  return lines.join('\n');
}
