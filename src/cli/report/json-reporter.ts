import type { Writable } from 'node:stream';
import type { Reporter } from './reporter.ts';

/** `--json`: one object a line. Debug lines only with `--verbose`. */
export function createJsonReporter(output: Writable, errors: Writable, options: { verbose: boolean }): Reporter {
  return {
    emit: (event) => {
      if (event.type === 'log' && event.level === 'debug' && !options.verbose) return;
      output.write(`${JSON.stringify(event)}\n`);
    },
    whenFree: (action) => action(),
    stopping: (message) => errors.write(`${message}\n`),
    finish: () => Promise.resolve(),
  };
}
