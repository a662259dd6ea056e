import os from 'node:os';
import type { Context } from '../src/context.ts';
import { run } from '../src/host/process.ts';

/** What the numbers depend on; no names, no dates. */
export async function describeMachine(context: Context): Promise<string[]> {
  const cpus = os.cpus();
  const engine = await run(context, { program: 'dockerd', args: ['--version'] }).then(
    ({ stdout }) => /version ([^\s,]+)/.exec(stdout)?.[1] ?? 'unknown',
    () => 'none',
  );
  return [
    `${cpus.length} × ${cpus[0]?.model.trim() ?? 'unknown processor'} (${os.arch()})`,
    `${(os.totalmem() / 2 ** 30).toFixed(0)} GiB of memory`,
    `${os.type()} ${os.release().replace(/^(\d+\.\d+).*/, '$1')}`,
    `Node ${process.versions.node}`,
    `Docker engine ${engine}`,
    `load average ${os.loadavg()[0]?.toFixed(1) ?? '?'} at the start`,
  ];
}
