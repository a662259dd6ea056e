import { isMet, type Bench, type BenchResult, type Target } from './bench.ts';

export interface Measured {
  readonly bench: Bench;
  readonly result: BenchResult;
}

/** One Markdown document: it is readable on a terminal, too. */
export function formatReport(measured: readonly Measured[], machine: readonly string[], command: string): string {
  const targets = measured.flatMap(({ result }) => result.targets);
  return [
    '# Benchmark results',
    '',
    `Written by \`${command}\`; docs/benchmarks.md says what is measured and how to read it.`,
    '',
    ...machine.map((line) => `- ${line}`),
    '',
    '## Targets',
    '',
    ...formatTable(['target', 'measured', 'at most', ''], targets.map(formatTarget)),
    ...measured.flatMap(({ bench, result }) => [
      '',
      `## ${bench.name}: ${bench.title}`,
      '',
      ...result.setup.map((line) => `- ${line}`),
      '',
      ...formatTable(result.head, result.rows),
    ]),
    '',
  ].join('\n');
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
