/** AVA for the long matrix of cards: half an hour and more a platform, so `npm test` leaves it out. */
export default {
  extensions: ['ts'],
  files: ['test/cards/*.card.ts'],
  timeout: '60m',
  workerThreads: false,
  concurrency: 1,
};
