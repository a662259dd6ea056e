import { randomBytes } from 'node:crypto';
import type { Context } from '../../context.ts';
import { ShipError } from '../../errors.ts';
import type { TokenBucket } from '../../host/ssh/connection.ts';
import type { Digest } from '../../oci/digest.ts';
import type { TaskReport } from '../../tasks.ts';
import type { Device } from '../device.ts';
import type { OpenedImage } from '../plan-update.ts';
import { createRegistry, pullReference, registryImage } from './registry.ts';

/** Exit statuses of the script below. */
const refusals: Readonly<Record<number, string>> = {
  21: 'what was pulled does not have the planned layers',
  22: 'no container can be made of what was pulled',
};

/**
 * Pulls, proves (the planned layers; a container can be made), brings it to the disk, and only then gives the plan's
 * reference to the image: a name never stands for something unproven. The name under which it was pulled goes in any case.
 */
const script = `
trap 'docker image rm "$1" >/dev/null 2>&1' EXIT
trap 'exit 143' HUP INT TERM
docker pull --quiet "$1" >/dev/null || exit 20
layers=$(docker image inspect -f '{{range $i, $layer := .RootFS.Layers}}{{if $i}},{{end}}{{$layer}}{{end}}' "$1")
[ "$layers" = "$3" ] || { echo "it has $layers" >&2; exit 21; }
container=$(docker create --pull never "$1") || exit 22
docker rm "$container" >/dev/null
sync
docker tag "$1" "$2"
`;

export function pullCommand(source: string, reference: string, diffIds: readonly Digest[]): readonly string[] {
  return ['sh', '-c', script, 'sh', source, reference, diffIds.join(',')];
}

/**
 * Lets the host's engine fetch images from this side, through the login that stands: it asks for the blobs that it lacks.
 * What is served ends with this function, whatever happens.
 * @throws ShipError E_TUNNEL_REFUSED (exit status 3), E_PULL_FAILED, E_CONNECTION_LOST, E_INTERRUPTED
 */
export async function pullImages(
  context: Context,
  { connection }: Device,
  images: readonly OpenedImage[],
  report: TaskReport,
  pace?: TokenBucket,
): Promise<void> {
  const offered = await Promise.all(images.map(async (image) => ({ image, served: await registryImage(image.component, image.archive) })));
  const token = randomBytes(16).toString('hex');
  const layers = new Set<Digest>();
  let sentBytes = 0;
  const registry = createRegistry(offered.map(({ served }) => served), {
    token,
    signal: context.signal,
    pace,
    onLayer: (diffId) => layers.add(diffId),
    onSent: (bytes) => {
      sentBytes += bytes;
      report.progress(sentBytes);
    },
  });
  const server = await connection.serve(registry);
  try {
    for (const { image, served } of offered) {
      report.log(`${image.component}: ${image.reference}`);
      const command = pullCommand(pullReference(served, token, server.port), image.reference, image.archive.diffIds);
      const { exitCode, stderr } = await connection.run(command, { sudo: true, expect: [1, 20, 21, 22] });
      if (exitCode !== 0) throw pullFailed(connection.name, image, refusals[exitCode] ?? 'its engine could not pull it', stderr);
    }
    report.detail(`${layers.size} of ${new Set(images.flatMap(({ archive }) => archive.diffIds)).size} layers fetched, ${sentBytes} bytes`);
  } finally {
    await server.close();
  }
}

/**
 * Whether the host's SSH server lets a registry of this side be reached, asked before anything is touched.
 * @throws ShipError E_TUNNEL_REFUSED (exit status 3)
 */
export async function checkTunnel({ connection }: Device): Promise<void> {
  const server = await connection.serve(() => ({ status: 404, headers: {} }));
  await server.close();
}

function pullFailed(host: string, { reference }: OpenedImage, why: string, output: string): ShipError {
  return new ShipError({
    code: 'E_PULL_FAILED',
    message: `${host} did not get ${reference}: ${why}`,
    output,
    remedy: 'Run the same command again, or send it as a file with --transport sftp. What runs there was not touched.',
  });
}
