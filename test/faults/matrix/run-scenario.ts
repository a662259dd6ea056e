import { randomBytes } from 'node:crypto';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { devicePaths } from '../../../src/device/files.ts';
import type { Release } from '../../../src/release/read-release.ts';
import { entry, node } from '../../support/command-line.ts';
import { patience, type FaultBench } from '../bench/fault-bench.ts';
import { layDown } from '../bench/records-release.ts';
import { needsBoot, points, stores, titleOf, type End, type Fault, type Scenario } from './scenarios.ts';

export interface Outcome {
  /** Which release runs in the end. */
  readonly end: End | undefined;
  /** It was well without a boot or another run after the fault. */
  readonly unaided: boolean;
  /** From the fault until the observer was content. */
  readonly wellAfterMs: number;
  readonly tookMs: number;
  /** What the observer finds wrong in the end, and for `unaided` scenarios before any boot. */
  readonly violations: readonly string[];
  readonly log: string;
}

/** A scenario that hangs must not go on beside the next one: whoever gets this error destroys the bench. */
const boundMs = patience * 240_000;

/** Brings a release onto the host, does the harm at the point, and lets the observer judge. */
export async function runScenario(bench: FaultBench, scenario: Scenario): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${titleOf(scenario)}: no end in ${boundMs / 1000} s`));
    }, boundMs);
  });
  return Promise.race([carryOut(bench, scenario), late]).finally(() => {
    clearTimeout(timer);
  });
}

async function carryOut(bench: FaultBench, scenario: Scenario): Promise<Outcome> {
  const startedAt = performance.now();
  const old = bench.current;
  const { dataChanges, hostFiles, alone, point, fault } = scenario;
  const release = await bench.nextRelease({ dataChanges, hostFiles, alone, failing: point.failing === true, ballastKiB: point.program === 'upload' ? 1024 : 0 });
  const isLaptop = fault === 'laptop killed' || fault === 'link cut';
  const faultAt = await (isLaptop ? harmLaptop(bench, scenario, release) : harmHost(bench, scenario, release));
  const releases = [old, release];
  // What an abandoned release wrote into data of a new format goes back with it.
  if (dataChanges) bench.forgiven.push(release.manifest.version);
  let verdict = await bench.observe({ releases, strict: false, waitSeconds: 20 });
  const isWell = verdict.violations.length === 0;
  const unaided = isWell && !needsBoot(fault);
  const early = scenario.unaided ? verdict.violations.map((text) => `before any boot: ${text}`) : [];
  if (fault === 'disk full') await bench.device.host.fillDisk(undefined);
  // One boot must do; where none was due, it only mends the host for the next scenario.
  if (!isWell && !needsBoot(fault)) {
    await bench.boot();
    verdict = await bench.observe({ releases, strict: false, waitSeconds: 20 });
  }
  const wellAfterMs = performance.now() - faultAt;
  await bench.prune(release);
  const last = await bench.observe({ releases, strict: true, waitSeconds: 10 });
  const end = last.end === release.manifest.id ? 'new' : last.end === old.manifest.id ? 'old' : undefined;
  const violations = [...new Set([...early, ...verdict.violations, ...last.violations])];
  if (end !== undefined && !scenario.ends.includes(end)) violations.push(`it ended in the ${end} release`);
  const log = violations.length > 0 ? await bench.log() : '';
  if (end === 'new') bench.continueFrom(release);
  return { end, unaided, wellAfterMs, tookMs: performance.now() - startedAt, violations, log };
}

async function harmHost(bench: FaultBench, { store, point, fault }: Scenario, release: Release): Promise<number> {
  await layDown(release, bench.device.host.root);
  await bench.arm(point);
  await bench.device.host.exec(`${devicePaths.updater} start rollout ${release.manifest.id}`);
  await bench.tripped();
  const faultAt = performance.now();
  await harms[fault as Exclude<Fault, 'laptop killed' | 'link cut'>](bench, points.indexOf(point) + stores.indexOf(store));
  await bench.settled();
  return faultAt;
}

const harms: Readonly<Record<Exclude<Fault, 'laptop killed' | 'link cut'>, (bench: FaultBench, seed: number) => Promise<void>>> = {
  async 'updater killed'(bench) {
    await bench.killUpdater();
    await bench.release();
  },
  async 'host killed'(bench) {
    await bench.reboot();
    await bench.boot();
  },
  async 'engine killed'(bench) {
    await bench.killEngine();
    await bench.release();
    // Debian's unit waits two seconds before it starts the engine again.
    await delay(2_000);
    await bench.startEngine();
  },
  async 'disk full'(bench) {
    await bench.fillDisk();
    await bench.release();
  },
  /** Power goes while the next journal is written: it lies beside the one that counts, and holds half a line. */
  async 'journal half written'(bench) {
    const journal = await readFile(bench.journalFile);
    await writeFile(`${bench.journalFile}.new`, journal.subarray(0, journal.length >> 1));
    await bench.reboot();
    await bench.boot();
  },
  /** What the updater's own order of writing rules out, but a worn card may do: the journal itself is damaged. */
  async 'journal torn'(bench, seed) {
    const { length } = await readFile(bench.journalFile);
    if (seed % 4 === 0) await truncate(bench.journalFile, 0);
    if (seed % 4 === 1) await truncate(bench.journalFile, length >> 1);
    if (seed % 4 === 2) await writeFile(bench.journalFile, Buffer.alloc(length));
    if (seed % 4 === 3) await writeFile(bench.journalFile, randomBytes(length));
    await bench.reboot();
    await bench.boot();
  },
};

/** The same through `prose-ship update`, which loses its process or its link. */
async function harmLaptop(bench: FaultBench, { point, fault }: Scenario, release: Release): Promise<number> {
  const { host } = bench.device;
  if (point.program === 'upload') await host.shapeLink({ mbitPerSecond: 1 });
  else await bench.arm(point);
  const env = { CI: '1', PROSE_SHIP_SSH_CONFIG: host.sshConfigFile };
  const laptop = execa(node, [entry, 'update', host.name, '--release', release.directory], { reject: false, env });
  try {
    if (point.program === 'upload') {
      const begun = `until ls ${devicePaths.incomingDirectory}/${release.manifest.id}/images/.*.part; do sleep 0.02; done`;
      await host.exec(begun, { timeoutMs: 60_000 });
    } else {
      await bench.tripped();
    }
    const faultAt = performance.now();
    if (fault === 'laptop killed') laptop.kill('SIGKILL');
    else await host.setLinkUp(false);
    await bench.release();
    await bench.settled();
    return faultAt;
  } finally {
    laptop.kill('SIGKILL');
    await laptop;
    if (fault === 'link cut') await host.setLinkUp(true);
    await host.shapeLink(undefined);
  }
}
