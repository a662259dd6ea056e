import { devicePaths } from '../../src/device/files.ts';
import { Device } from '../../test/device/device.ts';
import { project, type SampleRelease } from '../../test/device/sample-release.ts';
import { WebDevice, webRelease } from '../../test/device/start-first.ts';
import { ask, startLoad } from '../../test/support/releases/web-load.ts';
import { asMilliseconds, asRatio, cells, spread, type Bench, type BenchSurroundings, type Target } from '../bench.ts';
import { startAsking, type Answers } from './asker.ts';

const leastRuns = 5;
const largestRatio = 1.1;
const port = 8080;
/** Asked for as long before an update, and as long after it answers again. */
const quietMs = 500;

interface Part {
  readonly rows: readonly (readonly string[])[];
  readonly targets: readonly Target[];
}

/** How long a service is away during an update. */
export const gap: Bench = {
  name: 'gap',
  title: 'how long a service is away during an update',
  async run(bench) {
    const count = Math.max(bench.runs, leastRuns);
    const parts = [await stopFirst(bench, count), await startFirst(bench, count)];
    return {
      setup: [
        `Stop-first: a small HTTP service (busybox) with a published port, asked from outside the host on a new connection every 20 ms. The same two releases take turns on one host: ${count} times there and back by \`docker compose up -d\`, as often by the updater's rollout, in turns.`,
        'Gap: the longest time between two questions that follow each other among those that were answered within 250 ms. Images are there beforehand; the release that a rollout leaves has passed its gate.',
        `Start-first: a web service behind Debian's nginx (docs/recipes/web-services.md), five clients without a pause, two of them with requests that take a second; ${count} updates.`,
      ],
      head: ['what', 'min', 'median', 'max'],
      rows: parts.flatMap(({ rows }) => rows),
      targets: parts.flatMap(({ targets }) => targets),
    };
  },
};

function stopFirstRelease(version: string): SampleRelease {
  const probes = [['http', `http://127.0.0.1:${port}/version`, '200']];
  return { version, services: [{ name: 'web', content: version, ports: `${port}:80`, probes }] };
}

async function stopFirst({ context, note }: BenchSurroundings, count: number): Promise<Part> {
  const device = await Device.create();
  try {
    const ids: string[] = [];
    for (const version of ['1.0.0', '1.1.0']) {
      const { status, id, output } = await device.rollout(stopFirstRelease(version));
      if (status !== 0) throw new Error(output);
      ids.push(id);
    }
    const url = `http://${device.host.address}:${port}/version`;
    const ways = {
      compose: (id: string) => `docker compose --project-name ${project} --file ${devicePaths.releasesDirectory}/${id}/compose.yaml up --detach`,
      updater: (id: string) => `${devicePaths.updater} rollout ${id}`,
    } as const;
    const measured: Record<keyof typeof ways, Answers[]> = { compose: [], updater: [] };
    for (let turn = 0; turn < count; turn += 1) {
      for (const way of ['compose', 'updater'] as const) {
        // There and back, so that the next way finds what this one found.
        for (const id of ids) {
          context.signal.throwIfAborted();
          const asking = startAsking(url);
          await new Promise((resolve) => setTimeout(resolve, quietMs));
          const { exitCode, stdout, stderr } = await device.host.exec(ways[way](id), { timeoutMs: 180_000 });
          // Compose does not wait until the service answers.
          if (exitCode === 0) await asking.answeredAgain();
          await new Promise((resolve) => setTimeout(resolve, quietMs));
          const answers = await asking.stop();
          if (exitCode !== 0) throw new Error(`${ways[way](id)}: ${stdout}\n${stderr}`);
          measured[way].push(answers);
          note(`stop-first, ${way}: ${asMilliseconds(answers.gapMs)}, ${answers.asked - answers.answered} of ${answers.asked} not answered`);
        }
      }
    }
    const gaps = { compose: spread(measured.compose.map(({ gapMs }) => gapMs)), updater: spread(measured.updater.map(({ gapMs }) => gapMs)) };
    return {
      rows: [
        ['stop-first, `docker compose up -d`', ...cells(gaps.compose, asMilliseconds)],
        ['stop-first, ours', ...cells(gaps.updater, asMilliseconds)],
      ],
      targets: [{ name: 'gap of a stop-first service / that of `docker compose up -d`, medians', actual: gaps.updater.median / gaps.compose.median, limit: largestRatio, format: asRatio }],
    };
  } finally {
    await device.destroy();
  }
}

async function startFirst({ context, note }: BenchSurroundings, count: number): Promise<Part> {
  const web = await WebDevice.create();
  try {
    const requests: number[] = [];
    let failures = 0;
    const roll = async (version: string) => {
      const { status, output } = await web.device.rollout(webRelease(version));
      if (status !== 0) throw new Error(output);
    };
    await roll('1.0.0');
    for (let turn = 1; turn <= count; turn += 1) {
      context.signal.throwIfAborted();
      const load = startLoad(web.target);
      const rolled = await roll(`1.${turn}.0`).then(() => undefined, (error: unknown) => ({ error }));
      await ask(web.target, '/cgi-bin/slow').catch(() => {});
      const result = await load.stop();
      if (rolled) throw rolled.error;
      if (!result.answers.includes(`1.${turn}.0`)) throw new Error(`release 1.${turn}.0 did not answer: ${result.answers.join(', ')}`);
      requests.push(result.requests);
      failures += result.failures.length;
      note(`start-first: ${result.requests} requests, ${result.failures.length} failed${result.failures.length > 0 ? `: ${result.failures[0] ?? ''}` : ''}`);
    }
    const total = requests.reduce((sum, one) => sum + one, 0);
    return {
      rows: [['start-first, requests during an update', ...cells(spread(requests), (value) => value.toFixed(0))]],
      targets: [{ name: `start-first web service: failed of ${total} requests in ${count} updates`, actual: failures, limit: 0, format: (value) => value.toFixed(0) }],
    };
  } finally {
    await web.device.destroy();
  }
}
