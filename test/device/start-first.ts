import type { ExecutionContext } from 'ava';
import { devicePaths } from '../../src/device/files.ts';
import { ask, startLoad, type LoadTarget } from '../support/releases/web-load.ts';
import { Device, type Run } from './device.ts';
import { startNginx } from './nginx.ts';
import type { SampleRelease, SampleService } from './sample-release.ts';

export const side: SampleService = { name: 'side', content: 'side' };

/** A release whose service `web` is start-first. */
export function webRelease(version: string, web: Partial<SampleService> = {}, more: Partial<SampleRelease> = {}): SampleRelease {
  const probes = [['http', 'http://127.0.0.1:{port}/version', '200']];
  return {
    version,
    services: [side, { name: 'web', content: version, ports: '127.0.0.1:8081-8082:80', slow: true, probes, ...web }],
    plan: [['order', 'web', 'start-first', '3']],
    ...more,
  };
}

export interface Container {
  readonly id: string;
  readonly port: string;
}

/** A device whose nginx stands before `web`, and what a visitor and an administrator see of it. */
export class WebDevice {
  readonly device: Device;
  readonly target: LoadTarget;

  private constructor(device: Device, target: LoadTarget) {
    this.device = device;
    this.target = target;
  }

  static async create(): Promise<WebDevice> {
    const device = await Device.create();
    const target = await startNginx(device).catch(async (error: unknown) => {
      await device.destroy();
      throw error;
    });
    return new WebDevice(device, target('www'));
  }

  /** Every container of the service, whatever its state. */
  async containers(): Promise<Container[]> {
    const script = `for id in $(docker ps -aq --no-trunc --filter label=com.docker.compose.service=web); do
      docker inspect -f '{{.ID}} {{range .NetworkSettings.Ports}}{{range .}}{{.HostPort}}{{end}}{{end}}' "$id"; done`;
    const { stdout } = await this.device.host.exec(script);
    return stdout.split('\n').filter(Boolean).map((line) => ({ id: line.split(' ')[0] ?? '', port: line.split(' ')[1] ?? '' }));
  }

  /** Asserts that one container is left, and that nginx knows its port. */
  async settled(t: ExecutionContext, version: string): Promise<Container> {
    const [container, ...more] = await this.containers();
    t.deepEqual(more, [], 'one container');
    const flag = await this.device.host.exec(`test -f ${devicePaths.secondPortDirectory}/web`);
    t.is(flag.exitCode === 0, container?.port === '8082', container?.port);
    t.is((await ask(this.target, '/version')).text, version);
    return container ?? { id: '', port: '' };
  }

  /** What `work` does must not cost a single request. */
  async underLoad(t: ExecutionContext, work: () => Promise<Run>): Promise<{ readonly run: Run; readonly answers: readonly string[] }> {
    const load = startLoad(this.target);
    const run = await work().finally(() => ask(this.target, '/cgi-bin/slow'));
    const { answers, requests, failures } = await load.stop();
    t.deepEqual(failures, [], run.output);
    t.true(requests > 100, `${requests} requests`);
    return { run, answers };
  }
}
