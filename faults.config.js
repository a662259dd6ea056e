/** AVA for the kill matrix: half an hour, so `npm test` has only a part of it (test/integration/ship/faults.test.ts). */
export default {
  extensions: ['ts'],
  files: ['test/faults/*.faults.ts'],
  timeout: '60m',
  workerThreads: false,
  concurrency: 1,
};
