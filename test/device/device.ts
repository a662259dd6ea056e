import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { deviceFiles, devicePaths } from '../../src/device/files.ts';
import { parseInventory, type HostInventory } from '../../src/device/inventory.ts';
import { parseRolloutLogLine, type RolloutLogLine } from '../../src/device/rollout-log.ts';
import { createThrowawayHost, type ThrowawayHost, type ThrowawayHostOptions } from '../support/hosts/throwaway-host.ts';
import { writeSampleRelease, type SampleRelease } from './sample-release.ts';

/** What a run of the updater said. */
export interface Run {
  readonly status: number;
  readonly lines: readonly RolloutLogLine[];
  readonly states: readonly string[];
  readonly codes: readonly string[];
  /** Standard output and error, for messages of failed assertions. */
  readonly output: string;
}

/** A throw-away host with the updater installed, spoken to as `ship` does. */
export class Device {
  readonly host: ThrowawayHost;

  private constructor(host: ThrowawayHost) {
    this.host = host;
  }

  static async create(options: ThrowawayHostOptions = {}): Promise<Device> {
    const host = await createThrowawayHost(options);
    for (const file of deviceFiles()) {
      const target = path.join(host.root, file.target);
      await mkdir(path.dirname(target), { recursive: true });
      await cp(file.source, target);
    }
    await host.exec(`chmod 0755 ${devicePaths.updater}; mkdir -p ${devicePaths.incomingDirectory}`);
    return new Device(host);
  }

  /** Lays a release into the drop zone. */
  async upload(release: SampleRelease): Promise<string> {
    return writeSampleRelease(path.join(this.host.root, devicePaths.incomingDirectory), release);
  }

  /** Lays a release down as a baked card holds it (docs/internals/device.md). */
  async bake(release: SampleRelease): Promise<string> {
    const id = await writeSampleRelease(path.join(this.host.root, devicePaths.releasesDirectory), release);
    const journal = ['format\t1', `id\t${id}`, 'goal\trollout', 'state\tuploaded', 'next\tverified', 'from\t-', 'time\t0', ''];
    await writeFile(path.join(this.host.root, devicePaths.stateDirectory, 'journal'), journal.join('\n'));
    return id;
  }

  /** Runs a verb; `environment` is shell assignments, `PROSE_SHIP_FAULT=stopped`. */
  async run(verb: string, environment = ''): Promise<Run> {
    const result = await this.host.exec(`${environment} ${devicePaths.updater} ${verb}`, { timeoutMs: 180_000 });
    return readRun(result.exitCode, result.stdout, result.stderr);
  }

  async rollout(release: SampleRelease): Promise<Run & { id: string }> {
    const id = await this.upload(release);
    return { ...(await this.run(`rollout ${id}`)), id };
  }

  async inventory(): Promise<HostInventory> {
    return parseInventory((await this.host.exec([devicePaths.updater, 'inventory'])).stdout);
  }

  /** What the service answers, or an empty text. */
  async answer(port = 8080): Promise<string> {
    return (await this.host.exec(`curl -s -m 2 http://127.0.0.1:${port}/version`)).stdout;
  }

  async container(service: string): Promise<string> {
    return (await this.host.exec(`docker ps -q --no-trunc --filter label=com.docker.compose.service=${service}`)).stdout;
  }

  async read(file: string): Promise<string> {
    return readFile(path.join(this.host.root, file), 'utf8');
  }

  async journal(): Promise<Record<string, string>> {
    const lines = (await this.read(`${devicePaths.stateDirectory}/journal`)).trimEnd().split('\n');
    return Object.fromEntries(lines.map((line) => line.split('\t') as [string, string]));
  }

  async destroy(): Promise<void> {
    await this.host.destroy();
  }
}

export function readRun(status: number, stdout: string, stderr = ''): Run {
  const lines = stdout.split('\n').map(parseRolloutLogLine).filter((line) => line !== undefined);
  return {
    status,
    lines,
    states: lines.flatMap((line) => (line.kind === 'state' ? [line.state] : [])),
    codes: lines.flatMap((line) => (line.kind === 'error' ? [line.code] : [])),
    output: `${stdout}\n${stderr}`,
  };
}
