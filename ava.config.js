import path from 'node:path';

/**
 * AVA for `npm test`: three files at a time, because most integration tests wait (for gates, links, timeouts) and do not
 * keep a processor busy. Files are independent of each other: what they share has a lock of the product, everything else
 * has a name of its own.
 *
 * The last file to end bounds the run, so the long ones begin first; the two that emulate ARM all the time, and those that
 * put a load on a server, do not begin together. Files that are not listed come behind them, unit tests last.
 */
const longFirst = [
  'bake/card',
  'ship/follow-link',
  'updater/rollout',
  'offline/install',
  'updater/lock',
  'ship/faults',
  'services/stop-first',
  'services/alone',
  'services/gate',
  'pipeline',
  'updater/killed/boot',
  'updater/killed/guard',
  'updater/host-files/killed',
  'updater/host-files/lay',
  'updater/without-engine/whole',
  'updater/rename',
  'ship/backup',
  'services/start-first-killed',
  'updater/retention/disk',
  'services/start-first',
  'build/build-base',
  'ship/fleet',
  'intranet/authority',
  'intranet/export',
  'ssh/command',
  'bake/customise',
  'ship/registry/transport',
  'updater/retention/retention',
  'services/samples',
  'services/oneshot',
  'bake/boot-initramfs',
  'updater/xmpp',
  'ssh/login',
  'ship/registry/interrupted',
].map((name) => `test/integration/${name}.test.ts`);

function rank(file) {
  const listed = longFirst.findIndex((name) => file.endsWith(`/${name}`));
  if (listed >= 0) return listed;
  if (file.includes('/test/integration/')) return longFirst.length;
  return longFirst.length + (file.includes('/test/cli/') ? 1 : 2);
}

export default {
  // What Node has compiled once it need not compile in each of two hundred processes, nor in the command lines that they run.
  environmentVariables: { NODE_COMPILE_CACHE: path.join(import.meta.dirname, 'node_modules/.cache/node-compile') },
  extensions: ['ts'],
  files: ['test/**/*.test.ts'],
  timeout: '5m',
  workerThreads: false,
  concurrency: 3,
  sortTestFiles: (one, other) => rank(one) - rank(other) || one.localeCompare(other),
};
