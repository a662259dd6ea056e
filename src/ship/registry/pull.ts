import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Context } from '../../context.ts';
import { devicePaths } from '../../device/files.ts';
import { ShipError } from '../../errors.ts';
import type { TokenBucket } from '../../host/ssh/connection.ts';
import type { Digest } from '../../oci/digest.ts';
import type { TaskReport } from '../../tasks.ts';
import type { Device } from '../device.ts';
import type { OpenedImage } from '../plan-update.ts';
import { createRegistry, pullReference, registryImage } from './registry.ts';

/** Exit statuses of the script below. */
const refusals: Readonly<Record<number, string>> = {
  20: 'its engine could not pull it',
  21: 'what was pulled does not have the planned layers',
  22: 'no container can be made of what was pulled',
  23: 'another pull is under way there',
};

/** This side says that it is still there so often; the host ends a pull after that much silence. */
const heartbeatMs = 10_000;
const silenceSeconds = 60;

/** The diffIDs of an image with commas, as plans have them; what the updater on the host has for it belongs to the version that provisioned the host. */
const layersFormat = '{{range $i, $layer := .RootFS.Layers}}{{if $i}},{{end}}{{$layer}}{{end}}';

/**
 * Pulls, proves (the planned layers; a container can be made), brings it to the disk, and only then gives the plan's
 * reference to the image: a name never stands for something unproven. The name under which it was pulled goes in any case.
 *
 * overlay2's engine lets a second pull of a layer join the first one, even when that waits for a tunnel that is dead. So
 * a pull ends when nobody watches it any more (standard input: end, or silence), and the next one waits for that.
 */
const script = `
source=$1 reference=$2 planned=$3 silence=$4 lock=$5
exec 3<&0 </dev/null
pull='' watch='' container=''
finish() {
  [ -z "$pull" ] || { kill "$pull"; wait "$pull"; }
  kill "$watch"
  [ -z "$container" ] || docker rm --force --volumes "$container"
  docker image rm "$source"
}
trap 'finish >/dev/null 2>&1' EXIT
trap 'exit 143' HUP INT TERM
{ while [ -n "$(timeout "$silence" head -c 1 <&3)" ]; do :; done; kill -s TERM $$; } >/dev/null 2>&1 &
watch=$!
exec 3<&- 9>"$lock"
flock -w "$((2 * silence))" 9 || exit 23
docker pull --quiet "$source" >/dev/null 9>&- &
pull=$!
wait "$pull" || { pull=''; exit 20; }
pull=''
layers=$(docker image inspect -f '${layersFormat}' "$source")
[ "$layers" = "$planned" ] || { echo "it has $layers" >&2; exit 21; }
container=$(docker create --pull never "$source" /prose-ship-probe) || exit 22
docker rm --force --volumes "$container" >/dev/null && container=''
sync
docker tag "$source" "$reference"
`;

export interface PullCommandOptions {
  /** Ends the pull after so long without a byte on standard input. */
  readonly silenceSeconds?: number;
  readonly lockFile?: string;
}

export function pullCommand(source: string, reference: string, diffIds: readonly Digest[], options: PullCommandOptions = {}): readonly string[] {
  const lock = options.lockFile ?? `${devicePaths.stateDirectory}/pull.lock`;
  return ['sh', '-c', script, 'sh', source, reference, diffIds.join(','), String(options.silenceSeconds ?? silenceSeconds), lock];
}

/** A byte now and then, until it is destroyed. */
function heartbeat(): Readable {
  const stream = new Readable({ read: () => {} });
  const timer = setInterval(() => stream.push('.'), heartbeatMs);
  stream.once('close', () => clearInterval(timer));
  return stream;
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
      const { exitCode, stderr } = await connection.run(command, { sudo: true, input: heartbeat(), expect: Object.keys(refusals).map(Number) });
      if (exitCode !== 0) throw pullFailed(connection.name, image, refusals[exitCode] ?? '', stderr);
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
