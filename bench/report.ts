import { isMet, type Bench, type BenchResult, type Target } from './bench.ts';

export interface Measured {
  readonly bench: Bench;
  readonly result: BenchResult;
}

/** One Markdown document: it is readable on a terminal, too. */
export function formatReport(measured: readonly Measured[], machine: readonly string[], command: string, title = 'Benchmark results'): string {
  const targets = measured.flatMap(({ result }) => result.targets);
  return [
    `# ${title}`,
    '',
    `Written by \`${command}\`; docs/internals/benchmarks.md says what is measured and how to read it.`,
    '',
    ...machine.map((line) => `- ${line}`),
    '',
    '## Targets',
    '',
    ...formatTable(['target', 'measured', 'at most', ''], targets.map(formatTarget)),
    ...measured.flatMap((one) => ['', ...formatSection(one)]),
    '',
  ].join('\n');
}

/** The lines of one bench: heading, how it was set up, table. */
export function formatSection({ bench, result }: Measured): string[] {
  return [`## ${bench.name}: ${bench.title}`, '', ...result.setup.map((line) => `- ${line}`), '', ...formatTable(result.head, result.rows)];
}

/** Puts a report in the place of the part of `results` that has its first-level heading, or behind all others. */
export function replacePart(results: string, report: string): string {
  const parts = results.split(/^(?=# )/m).filter((part) => part.trim() !== '');
  const headingOf = (part: string) => part.split('\n', 1)[0];
  const at = parts.findIndex((part) => headingOf(part) === headingOf(report));
  const all = at === -1 ? [...parts, report] : parts.with(at, report);
  return `${all.map((part) => part.trim()).join('\n\n')}\n`;
}

function formatTarget(target: Target): string[] {
  const { name, actual, limit, format } = target;
  return [name, format(actual), format(limit), isMet(target) ? 'met' : '**missed**'];
}

/** Columns are padded, so that the text reads well unrendered. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, column) => Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) => `| ${widths.map((width, column) => (row[column] ?? '').padEnd(width)).join(' | ')} |`;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)];
}
