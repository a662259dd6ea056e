import type { Context } from '../../context.ts';
import type { Step } from '../../site/model.ts';

/** What is left for a person, numbered, texts indented below their titles. */
export function formatSteps(steps: readonly Step[]): string {
  const told = steps.map(({ title, text }, index) => {
    const lines = text.split('\n').map((line) => (line === '' ? '' : `     ${line}`));
    return [`  ${index + 1}. ${title}`, ...lines].join('\n');
  });
  return ['What is left for you to do:', ...told].join('\n');
}

/** The same beside what a verb prints for programs. */
export function tellSteps({ emit }: Pick<Context, 'emit'>, steps: readonly Step[] = []): void {
  if (steps.length === 0) return;
  for (const message of formatSteps(steps).split('\n')) emit({ type: 'log', level: 'info', message });
}
