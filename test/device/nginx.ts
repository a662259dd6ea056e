import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { LoadTarget } from '../support/releases/web-load.ts';
import type { Device } from './device.ts';

const port = 8000;

/** Debian's nginx on the device with the vhosts of docs/recipes/web-services.md, as they stand there but for the port. Ends with the device. */
export async function startNginx({ host }: Device): Promise<(name: string) => LoadTarget> {
  const page = await readFile(path.resolve(import.meta.dirname, '../../docs/recipes/web-services.md'), 'utf8');
  const vhosts = /```nginx\n([^]*?)```/.exec(page)?.[1]?.replaceAll('listen 80;', `listen ${port};`);
  if (!vhosts?.includes(`listen ${port};`)) throw new Error('docs/recipes/web-services.md has no vhosts');
  // The worker is a user who may not read what root keeps for itself.
  const configuration = `user www-data;\nworker_processes 1;\npid /run/nginx-test.pid;\nerror_log /tmp/nginx-error.log;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path /tmp/nginx-body;\nproxy_temp_path /tmp/nginx-proxy;\n${vhosts}}\n`;
  await writeFile(path.join(host.root, 'etc/nginx-test.conf'), configuration);
  const started = await host.exec('nginx -c /etc/nginx-test.conf');
  if (started.exitCode !== 0) throw new Error(started.stderr);
  return (name) => ({ address: host.address, port, host: `${name}.example.org` });
}
