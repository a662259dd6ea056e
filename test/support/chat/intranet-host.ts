import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { createContext } from '../../../src/context.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { renderDeployment } from '../../../src/site/render.ts';
import { createThrowawayHost, type ThrowawayHost } from '../hosts/throwaway-host.ts';

const execute = promisify(execFile);
const repository = path.resolve(import.meta.dirname, '../../..');

/** The engine's part where there is none: what would run in the server's container runs beside it, as its user. */
const engine = `#!/bin/sh
case $1 in ps) echo server && exit ;; esac
shift
[ "$1" != -i ] || shift
shift
exec setpriv --reuid prosody --regid prosody --init-groups -- "$@"
`;

/** Everything that the profile \`intranet\` renders for this address, by path on the host. */
export async function renderIntranet(site: { readonly domain: string; readonly address: string; readonly name?: string }): Promise<Map<string, string>> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-intranet-'));
  try {
    const file = path.join(directory, 'prose-ship.yaml');
    await writeFile(file, intranetSite(site));
    const deployment = await loadDeployment(createContext(), file);
    const { files, hostFiles } = await renderDeployment(deployment, new Map(deployment.recipe.components.map(({ name }) => [name, 'example/none:1'])));
    const targets = new Map(deployment.recipe.host?.files.map(({ name, path: target }) => [name, target]));
    return new Map([...files, ...hostFiles].map(({ name, content }) => [targets.get(name) ?? `/etc/prosody/${name}`, content.toString()]));
  } finally {
    await rm(directory, { recursive: true });
  }
}

export function intranetSite({ domain, address, name = 'office' }: { readonly domain: string; readonly address: string; readonly name?: string }): string {
  return `schema: 1\nname: ${name}\nversion: 1.0.0\nrecipe: prosody\nprofile: intranet\ndomain: ${domain}\nvariables:\n  admins: [anna@${domain}]\n  ipv4: ${address}\n`;
}

/** Lays what the profile renders for the host's own address onto it, and starts nginx with it. */
export async function layIntranet(host: ThrowawayHost, domain: string): Promise<void> {
  const rendered = await renderIntranet({ domain, address: host.address });
  for (const [target, content] of rendered) {
    const file = path.join(host.root, target);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content, { mode: target.includes('/sbin/') ? 0o755 : 0o644 });
  }
  const { exitCode, stderr } = await host.exec('office-certificates placeholder && nginx');
  if (exitCode !== 0) throw new Error(`nginx did not start: ${stderr}`);
}

/** A host with what the profile brings to it, and Debian's Prosody and nginx running with the rendered configuration. */
export async function createIntranetHost(domain: string): Promise<ThrowawayHost> {
  const host = await createThrowawayHost({ engine: false });
  const packages = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-packages-'));
  await execute('sh', ['-c', `apt-get download $(apt-get -s install --no-install-recommends prosody lua-dbi-sqlite3 lua-unbound | awk '/^Inst/ { print $2 }')`], { cwd: packages });
  await cp(packages, path.join(host.root, 'packages'), { recursive: true });
  await rm(packages, { recursive: true });
  // Unpacked, not installed: what packages trigger (caches of libraries, of manual pages) takes longer than everything else.
  await host.exec(`for package in /packages/*.deb; do dpkg-deb --extract "$package" /; done; rm -rf /packages
    useradd --system --home-dir /var/lib/prosody --shell /usr/sbin/nologin prosody
    mkdir -p /var/lib/prosody/certs && chown -R prosody /var/lib/prosody`);
  await layIntranet(host, domain);
  await writeFile(path.join(host.root, 'usr/local/bin/docker'), engine, { mode: 0o755 });
  await writeFile(path.join(host.root, 'entrypoint'), await readFile(path.join(repository, 'dockerfiles/prosody/entrypoint.sh')), { mode: 0o755 });
  const { exitCode, stdout, stderr } = await host.exec(`set -e
    mkdir -p /run/prosody && chown prosody /run/prosody
    # libfaketime keeps semaphores there, by process ids that are this host's and not the machine's.
    mount -t tmpfs tmpfs /dev/shm
    setsid setpriv --reuid prosody --regid prosody --init-groups env PROSE_SHIP_DOMAINS='${domain} groups.${domain}' /entrypoint prosody -F >/run/prosody/log 2>&1 </dev/null &
    timeout 30 sh -c "until ss -ltn | grep -q ':5222 ' && test -s /run/prosody/prosody.pid; do sleep 0.1; done" || { cat /run/prosody/log; exit 1; }`);
  if (exitCode === 0) return host;
  await host.destroy();
  throw new Error(`Prosody did not start: ${stdout}${stderr}`);
}
