import type { ExecutionContext } from 'ava';
import { setTimeout as delay } from 'node:timers/promises';
import { ask } from '../../support/releases/web-load.ts';
import { Device } from '../device.ts';
import { nginxConfiguration, startNginxWith } from '../nginx.ts';
import type { SampleHostFile, SampleRelease, SampleService } from '../sample-release.ts';

const port = 8000;
/** Neither folder is there before. */
export const vhostFile = '/etc/vhosts-test/enabled/site.conf';

/** A release whose vhost for nginx on the host tells its name in a header. */
export function vhostRelease(version: string, vhost: string, more: Partial<SampleRelease> & { readonly web?: Partial<SampleService> } = {}): SampleRelease {
  const { web, hostFiles = [], plan = [], ...release } = more;
  const content = `server { listen ${port}; location / { proxy_pass http://127.0.0.1:8080; add_header X-Vhost ${vhost}; } }\n`;
  return {
    version,
    services: [{ name: 'web', content: 'web', port: 8080, probes: [['http', 'http://127.0.0.1:8080/version', '200']], ...web }],
    hostFiles: [{ path: vhostFile, content, action: 'nginx' }, ...hostFiles],
    plan: [...nginxAction, ...plan],
    ...release,
  };
}

/** A vhost that `nginx -t` refuses. */
export const brokenVhost: SampleHostFile = { path: vhostFile.replace('site', 'broken'), content: 'server { nothing; }\n', action: 'nginx' };

const nginxAction: readonly (readonly string[])[] = [
  ['action', 'nginx', '20'],
  ['action-check', 'nginx', 'nginx', '-c', nginxConfiguration, '-t'],
  ['action-apply', 'nginx', 'sh', '-c', `echo reload >>/tmp/reloads && exec nginx -c ${nginxConfiguration} -s reload`],
];

/** A device with an nginx that reads the vhosts of a folder, as Debian's does. */
export class VhostDevice {
  readonly device: Device;

  private constructor(device: Device) {
    this.device = device;
  }

  static async create(): Promise<VhostDevice> {
    const made = new VhostDevice(await Device.create());
    await made.startNginx().catch(async (error: unknown) => {
      await made.device.destroy();
      throw error;
    });
    return made;
  }

  /** Also after a reboot. */
  async startNginx(): Promise<void> {
    await startNginxWith(this.device.host, `include ${vhostFile.replace('site', '*')};\n`);
  }

  /** Asserts that nginx answers with this vhost and the file is it; a reload takes nginx a moment. */
  async serves(t: ExecutionContext, vhost: string, message?: string): Promise<void> {
    let served: string | undefined;
    for (let tries = 0; tries < 50 && served !== vhost; tries += 1) {
      if (tries > 0) await delay(100);
      const answer = await ask({ address: this.device.host.address, port, host: 'www' }, '/version').catch(() => undefined);
      served = answer?.status === 200 && answer.text === 'web' ? String(answer.headers['x-vhost']) : `status ${answer?.status ?? 0}`;
    }
    t.is(served, vhost, message);
    t.true((await this.device.read(vhostFile)).includes(` ${vhost};`), message);
  }

  /** How often nginx was told to reload. */
  async reloads(): Promise<number> {
    return Number((await this.device.host.exec('cat /tmp/reloads 2>/dev/null | wc -l')).stdout);
  }

  /** The lines of `status` about host files. */
  async status(): Promise<string[]> {
    const { stdout } = await this.device.host.exec(['/usr/lib/prose-ship/updater', 'status']);
    return stdout.split('\n').filter((line) => line.startsWith('host-'));
  }
}
