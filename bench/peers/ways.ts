import path from 'node:path';
import type { Context } from '../../src/context.ts';
import { run } from '../../src/host/process.ts';
import { gzippedName, type Case } from './cases.ts';
import { copied, type PeerHost } from './peer-host.ts';
import type { Registry } from './registry.ts';

/** How a release gets to the host. */
export interface Way {
  readonly name: string;
  readonly title: string;
  readonly isOurs: boolean;
  /** Until the image is on the host, and the engine there has shown it. */
  send(one: Case): Promise<void>;
  /** What the image is called there then. */
  referenceOf(one: Case): string;
}

export interface Surroundings {
  readonly context: Context;
  readonly host: PeerHost;
  /** Of the engine on this side. */
  readonly dockerHost: string;
  readonly directory: string;
  readonly here: Registry;
  readonly there: Registry;
  /** The program on this side. */
  readonly rsync: string;
  /** Where `ssh -L` listens. */
  readonly tunnelPort: number;
}

const proven = 'docker image inspect';
/** The port on the host under which `ssh -R` shows the registry of this side. */
const backPort = 5001;

/** What people do without prose-ship. Each is one script of bash. */
export function peerWays(surroundings: Surroundings): Way[] {
  const { context, host, dockerHost, directory, here, there, rsync, tunnelPort } = surroundings;
  const socket = path.join(directory, 'ssh-control');
  const ssh = `ssh -F ${host.sshConfigFile}`;
  const script = async (text: string) => {
    await run(context, { program: 'bash', args: ['-c', `set -eo pipefail\n${text}`], env: { DOCKER_HOST: dockerHost } }, { timeoutMs: 180_000 });
  };
  const load = (file: string, reference: string) => `${ssh} ${host.name} 'docker load -i ${file} >/dev/null && ${proven} ${reference} >/dev/null'`;
  const saved = ({ reference }: Case) => reference;
  return [
    {
      name: 'save',
      title: '`docker save \\| ssh docker load`',
      isOurs: false,
      referenceOf: saved,
      send: ({ reference }) => script(`docker save ${reference} | ${ssh} ${host.name} 'docker load >/dev/null && ${proven} ${reference} >/dev/null'`),
    },
    {
      name: 'zstd',
      title: '`docker save \\| zstd \\| ssh docker load`',
      isOurs: false,
      referenceOf: saved,
      send: ({ reference }) => script(`docker save ${reference} | zstd -q -T0 -c | ${ssh} ${host.name} 'docker load >/dev/null && ${proven} ${reference} >/dev/null'`),
    },
    {
      name: 'sftp',
      title: "`sftp` of the tarball, then `docker load` (the seed's way)",
      isOurs: false,
      referenceOf: saved,
      send: ({ tarball, reference }) => script(`echo 'put ${tarball} /var/tmp/seed.tar' | sftp -q -b - -F ${host.sshConfigFile} ${host.name} >/dev/null\n${load('/var/tmp/seed.tar', reference)}`),
    },
    {
      name: 'rsync',
      title: '`rsync -tz` of the tarball over the one before, then `docker load`',
      isOurs: false,
      referenceOf: saved,
      send: ({ tarball, reference }) => script(`${rsync} -tz --rsync-path=/usr/local/bin/rsync -e '${ssh}' ${tarball} ${host.name}:${copied}\n${load(copied, reference)}`),
    },
    {
      name: 'registry there',
      title: '`docker push` through `ssh -L` to a registry on the host, `docker pull` there',
      isOurs: false,
      referenceOf: ({ change }) => `127.0.0.1:${there.port}/app:${change}`,
      send: ({ change }) => {
        const reference = `127.0.0.1:${there.port}/app:${change}`;
        return script(`
          ${ssh} -f -N -M -S ${socket} -o ExitOnForwardFailure=yes -L 127.0.0.1:${tunnelPort}:127.0.0.1:${there.port} ${host.name} </dev/null >/dev/null 2>&1
          trap '${ssh} -S ${socket} -O exit ${host.name} 2>/dev/null' EXIT
          docker push -q 127.0.0.1:${tunnelPort}/app:${change} >/dev/null
          ${ssh} -S ${socket} ${host.name} 'docker pull -q ${reference} >/dev/null && ${proven} ${reference} >/dev/null'`);
      },
    },
    {
      name: 'registry here',
      title: '`docker push` to a registry on this side, `docker pull` there through `ssh -R`',
      isOurs: false,
      referenceOf: ({ change }) => `127.0.0.1:${backPort}/app:${change}`,
      send: ({ change }) => {
        const reference = `127.0.0.1:${backPort}/app:${change}`;
        return script(`
          docker push -q 127.0.0.1:${here.port}/app:${change} >/dev/null
          ${ssh} -o ExitOnForwardFailure=yes -R 127.0.0.1:${backPort}:127.0.0.1:${here.port} ${host.name} 'docker pull -q ${reference} >/dev/null && ${proven} ${reference} >/dev/null'`);
      },
    },
  ];
}

/** Ours; the first one is what is held against the peers. */
export function ourWays({ host }: Surroundings): Way[] {
  const referenceOf = ({ reference }: Case) => reference;
  return [
    { name: 'ours', title: 'ours, in process (`src/ship`)', isOurs: true, referenceOf, send: ({ release }) => host.push(release) },
    { name: 'command', title: 'ours, `prose-ship push` as a whole process', isOurs: true, referenceOf, send: ({ release }) => host.pushByCommand(release) },
    { name: 'ours, registry', title: 'ours, in process, `--transport registry`', isOurs: true, referenceOf, send: ({ release }) => host.push(release, 'registry') },
  ];
}

/** Names for the registries, on the engine of this side; and both have the release before, and so has the host from both. */
export async function fillRegistries({ context, dockerHost, here, there, tunnelPort }: Surroundings, cases: readonly Case[], peers: readonly Way[]): Promise<void> {
  for (const { change } of cases) {
    for (const port of [here.port, tunnelPort]) {
      await run(context, { program: 'docker', args: ['tag', `${gzippedName}:${change}`, `127.0.0.1:${port}/app:${change}`], env: { DOCKER_HOST: dockerHost } });
    }
  }
  const [first] = cases;
  if (!first) throw new Error('there is no case');
  for (const way of peers) if (way.name.startsWith('registry')) await way.send(first);
  await here.remember();
  await there.remember();
}
