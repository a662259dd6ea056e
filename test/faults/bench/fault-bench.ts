import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { devicePaths } from '../../../src/device/files.ts';
import type { Release } from '../../../src/release/read-release.ts';
import { Device } from '../../device/device.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { layDown, recordsPort, recordsRelease, type RecordsRelease } from './records-release.ts';
import type { Point, Store } from '../matrix/scenarios.ts';

/** What the observer says. */
export interface Verdict {
  readonly violations: readonly string[];
  /** ID of the release that runs. */
  readonly end: string | null;
  /** How many records were acknowledged since the host was made. */
  readonly records: number;
  readonly engineBytes?: number;
}

/** What may stay behind after `prune`. */
const budget = { logs: 21 };
/** Room for a release of four megabytes, its images unpacked, and the copies of the data. */
const diskMiB = 256;
/** PROSE_SHIP_FAULTS_PATIENCE=5: that many times longer, for single scenarios on a machine that is busy with other things. */
export const patience = Number(process.env['PROSE_SHIP_FAULTS_PATIENCE'] ?? 1);
/** However busy the machine is. */
const patienceMs = patience * 240_000;
const folder = import.meta.dirname;
const wire = '/var/tripwire';
const acknowledged = '/var/acknowledged';

/** A host with a stack that keeps records, somebody who writes into it all the time, a tripwire and an observer. */
export class FaultBench {
  readonly device: Device;
  readonly store: Store;
  readonly #directory: string;
  /** The release that runs when a scenario begins. */
  current!: Release;
  /** Versions whose records may be gone once an older release runs again. */
  forgiven: readonly string[] = [];
  #count = 0;
  #dataVersion = 1;
  /** Of the component `page` in the current release. */
  #pageVersion = '';

  private constructor(device: Device, store: Store, directory: string) {
    this.device = device;
    this.store = store;
    this.#directory = directory;
  }

  static async create(store: Store): Promise<FaultBench> {
    const device = await Device.create({ store, diskMiB });
    const bench = new FaultBench(device, store, await temporaryDirectory('faults'));
    try {
      await bench.#install();
    } catch (error) {
      await device.destroy();
      throw error;
    }
    return bench;
  }

  async #install(): Promise<void> {
    // The updater takes the plugin that docker would take first.
    for (const program of ['bin/sync', 'bin/docker', 'bin/curl', 'bin/cp', 'bin/mv', 'lib/docker/cli-plugins/docker-compose']) {
      const place = path.join(this.device.host.root, 'usr/local', program);
      await mkdir(path.dirname(place), { recursive: true });
      await copyFile(path.join(folder, 'tripwire.sh'), place);
    }
    for (const program of ['writer.py', 'reader.sh']) await copyFile(path.join(folder, program), path.join(this.device.host.root, 'usr/local/bin', program));
    await mkdir(path.join(this.device.host.root, wire), { recursive: true });
    await this.startWriter();
    for (let round = 0; round < 2; round += 1) {
      const release = await this.nextRelease({ dataChanges: false, hostFiles: false, alone: false, failing: false, ballastKiB: 0 });
      await layDown(release, this.device.host.root);
      await this.#succeed(`${devicePaths.updater} rollout ${release.manifest.id}`);
      this.continueFrom(release);
    }
  }

  /** A release after the current one; its data has the next format where `dataChanges`, its `page` is the same where `alone`. */
  async nextRelease({ dataChanges, alone, ...more }: Pick<RecordsRelease, 'failing' | 'ballastKiB' | 'hostFiles'> & { dataChanges: boolean; alone: boolean }): Promise<Release> {
    this.#count += 1;
    const version = `1.${this.#count}.0`;
    const dataVersion = this.#dataVersion + (dataChanges ? 1 : 0);
    return recordsRelease(this.#directory, { version, pageVersion: alone ? this.#pageVersion : version, dataVersion, gateSeconds: patience * 20, ...more });
  }

  /** Takes the end of a scenario as the beginning of the next. */
  continueFrom(release: Release): void {
    this.current = release;
    // It was not abandoned: from here on none of its records may be missing.
    this.forgiven = this.forgiven.filter((version) => version !== release.manifest.version);
    this.#dataVersion = release.manifest.data.version;
    const page = release.manifest.images.find(({ component }) => component === 'page');
    this.#pageVersion = /:(.*)-/.exec(page?.reference ?? '')?.[1] ?? '';
  }

  async startWriter(): Promise<void> {
    await this.device.host.exec(`setsid python3 /usr/local/bin/writer.py ${recordsPort} ${acknowledged} >/dev/null 2>&1 </dev/null &`);
  }

  async arm({ when, program, step, pattern, moment = 'sleep 0.05' }: Point): Promise<void> {
    const directory = path.join(this.device.host.root, wire);
    for (const name of ['tripped', 'go']) await rm(path.join(directory, name), { force: true });
    await writeFile(path.join(directory, 'armed'), `${when}\t${program}\t${step}\t${pattern}\t${moment}\n`);
  }

  /** Waits until the updater stands at the point. */
  async tripped(withinMs = patience * 60_000): Promise<void> {
    const file = path.join(this.device.host.root, wire, 'tripped');
    for (let waitedMs = 0; !existsSync(file); waitedMs += 10) {
      if (waitedMs > withinMs) throw new Error(`The point was not reached: ${await this.log()}`);
      await delay(10);
    }
  }

  /** Lets what stands at the point go on. */
  async release(): Promise<void> {
    const directory = path.join(this.device.host.root, wire);
    await rm(path.join(directory, 'armed'), { force: true });
    await writeFile(path.join(directory, 'go'), '');
  }

  /** Waits until no updater is at work, nor the guard of one, nor the boot that an engine's start calls for. */
  async settled(withinSeconds = patience * 90): Promise<void> {
    const busy = `pgrep -f '/updater [gb](uard|oot)( |$)' || ! flock -n ${devicePaths.stateDirectory}/lock true`;
    const { exitCode } = await this.device.host.exec(`timeout ${withinSeconds} sh -c "while ${busy}; do sleep 0.1; done"`, { timeoutMs: (withinSeconds + 10) * 1000 });
    if (exitCode !== 0) throw new Error(`The updater does not end: ${await this.log()}`);
  }

  /** What systemd does at a boot. */
  async boot(): Promise<void> {
    await this.device.host.exec(`${devicePaths.updater} boot`, { timeoutMs: patienceMs });
  }

  /** The updater's own clean-up; what is left of a cut upload of `release` would go a day later. */
  async prune(release: Release): Promise<void> {
    await this.#succeed(`${devicePaths.updater} prune`);
    await rm(path.join(this.device.host.root, devicePaths.incomingDirectory, release.manifest.id), { recursive: true, force: true });
  }

  /** Two real rollbacks; what the current release alone has kept may go back with its data, so it is not asked for. */
  async backAndForth(): Promise<void> {
    for (let round = 0; round < 2; round += 1) {
      await this.#succeed(`${devicePaths.updater} rollback`);
    }
    await this.#succeed(`${devicePaths.updater} prune`);
    await this.#succeed(`sed -i '/ ${this.current.manifest.version}$/d' ${acknowledged}`);
  }

  async killUpdater(): Promise<void> {
    await this.#succeed(`kill -KILL "$(awk '$1 == "pid" { print $2 }' ${devicePaths.stateDirectory}/lock)"`);
  }

  async killEngine(): Promise<void> {
    await this.#succeed('kill -KILL "$(cat /run/docker.pid)"');
  }

  /** To the last byte; `fillDisk(undefined)` of the host frees it again. */
  async fillDisk(): Promise<void> {
    await this.#succeed(`dd if=/dev/zero of=${devicePaths.stateDirectory}/.filler bs=64k 2>/dev/null; dd if=/dev/zero bs=512 2>/dev/null >>${devicePaths.stateDirectory}/.filler; free=$(df --output=avail -k ${devicePaths.stateDirectory} | tail -n 1); [ "$free" -lt 64 ] || { echo "$free KiB are free"; exit 1; }`);
  }

  /** As systemd restarts it, and with it prose-ship.service. */
  async startEngine(): Promise<void> {
    await this.#succeed('setsid dockerd --config-file /etc/docker/throwaway.json >>/var/log/dockerd.log 2>&1 </dev/null &');
    for (let waitedMs = 0; (await this.device.host.exec('/usr/bin/docker version')).exitCode !== 0; waitedMs += 200) {
      if (waitedMs > 60_000) throw new Error('The engine did not come back');
      await delay(200);
    }
    await this.#succeed(`setsid ${devicePaths.updater} boot >/dev/null 2>&1 </dev/null &`);
  }

  async reboot(): Promise<void> {
    await this.device.host.reboot();
    await this.release();
    await this.startWriter();
  }

  get journalFile(): string {
    return path.join(this.device.host.root, devicePaths.stateDirectory, 'journal');
  }

  async log(): Promise<string> {
    const { stdout } = await this.device.host.exec(`cat ${devicePaths.stateDirectory}/journal; cd ${devicePaths.stateDirectory}/log && tail -n 30 $(ls -t | head -n 2)`);
    return stdout;
  }

  /** Asks the observer; `strict` also counts what stays behind. */
  async observe({ waiting = [], ...expected }: { releases: readonly Release[]; waiting?: readonly Release[]; strict: boolean; waitSeconds: number }): Promise<Verdict> {
    const request = JSON.stringify({ ...expected, releases: expected.releases.map(({ manifest }) => manifest.id), acknowledged, forgiven: this.forgiven, waiting: waiting.map(({ manifest }) => manifest.id), budget, wayBack: true });
    const observer = await readFile(path.join(folder, 'observer.py'), 'utf8');
    const { stdout, stderr } = await this.device.host.exec(['python3', '-', request], { input: observer, timeoutMs: patience * 60_000 });
    if (!stdout.startsWith('{')) throw new Error(`The observer failed: ${stderr}`);
    return JSON.parse(stdout) as Verdict;
  }

  async destroy(): Promise<void> {
    await this.device.destroy();
  }

  async #succeed(script: string): Promise<void> {
    const { exitCode, stdout, stderr } = await this.device.host.exec(script, { timeoutMs: patienceMs });
    if (exitCode !== 0) throw new Error(`${script}: ${stdout}${stderr}`);
  }
}

