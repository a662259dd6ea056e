/** AVA for recipes whose images are compiled and whose stacks run under emulation: minutes each, so `npm test` leaves them out. */
export default {
  extensions: ['ts'],
  files: ['test/recipes/*.recipe.ts'],
  timeout: '60m',
  workerThreads: false,
  concurrency: 1,
};
