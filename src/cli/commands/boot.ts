import path from 'node:path';
import { wrongUsage } from '../../errors.ts';
import type { BootOptions, BootedDevice } from '../../bake/boot/device.ts';
import { parsePlatform } from '../../oci/platform.ts';
import type { Task } from '../../tasks.ts';
import { word, words, type Session, type Verb, type VerbOptions } from '../verb.ts';

interface Times {
  sshMs?: number;
  healthyMs?: number;
  releaseId?: string;
}

export const boot: Verb = {
  name: 'boot',
  summary: 'boot an OS image in QEMU and wait until its release is healthy',
  arguments: [{ name: '<image>', description: 'an image of `bake`, or any for the Raspberry Pi; .img, .xz, .zst, .gz, .zip' }],
  options: [
    { flags: '--keep', description: 'leave the machine running, and say how to log in and how to stop it' },
    { flags: '--timeout <seconds>', description: 'how long it may take until it is healthy', default: '600' },
    { flags: '--ssh-only', description: 'be content when ssh answers; for images without a release' },
    { flags: '--identity <file>', description: "private key to log in with (default: the agent's and ssh_config's)" },
    { flags: '--user <name>', description: "whom to log in as (default: the image's first user)" },
    { flags: '--port <port>', description: 'port of 127.0.0.1 that leads to its ssh (default: a free one)' },
    { flags: '--memory <mib>', description: 'its memory', default: '2048' },
    { flags: '--platform <platform>', description: "the image's platform (default: that of its programs)" },
    { flags: '--internet', description: 'let it reach the network; without, it reaches nothing but this machine' },
  ],
  example: 'boot build/chat-linux-arm64.img.xz --keep',
  run: async (session, args, options) => {
    const { bootDevice } = await import('../../bake/boot/device.ts');
    const { runTasks } = await import('../../tasks.ts');
    const [image = ''] = words(args, 0);
    const request = bootOptions(image, options);
    if (session.dryRun) {
      session.print(`${image} would be booted in QEMU`);
      return { image: path.resolve(image) };
    }
    const times: Times = {};
    let device: BootedDevice | undefined;
    let isKept = false;
    const start: Task = {
      id: 'start',
      title: `Power on ${path.basename(image)}`,
      run: async (report) => {
        device = await bootDevice(session.context, { ...request, onLine: (line) => report.log(line, 'debug'), onProgress: report.progress });
        report.detail(`ssh on port ${device.port}`);
      },
    };
    try {
      await runTasks(session.context, [start, ...waiting(() => device, times, options['sshOnly'] === true)]);
      isKept = options['keep'] === true;
    } finally {
      if (isKept) await device?.detach();
      else await device?.destroy();
    }
    return tell(session, device, times, isKept);
  },
};

function waiting(device: () => BootedDevice | undefined, times: Times, sshOnly: boolean): readonly Task[] {
  const ssh: Task = {
    id: 'ssh',
    title: 'Wait until ssh answers',
    run: async (report) => {
      times.sshMs = (await device()?.waitForSsh()) ?? 0;
      report.detail(`${seconds(times.sshMs)} after power-on`);
    },
  };
  const gate: Task = {
    id: 'gate',
    title: 'Wait until the release is healthy',
    run: async (report) => {
      const healthy = await device()?.waitForGate();
      if (!healthy) return;
      times.healthyMs = healthy.healthyMs;
      times.releaseId = healthy.releaseId;
      report.detail(`${healthy.releaseId}, ${seconds(healthy.healthyMs)} after power-on`);
    },
  };
  return sshOnly ? [ssh] : [ssh, gate];
}

function tell(session: Session, device: BootedDevice | undefined, times: Times, isKept: boolean): object {
  if (!device || !isKept) return times;
  session.print(`${device.sshCommand}\n\nTo stop it:\n${device.stopCommand}`);
  return { ...times, port: device.port, sshCommand: device.sshCommand, stopCommand: device.stopCommand, directory: device.directory };
}

/** @throws ShipError E_USAGE */
function bootOptions(image: string, options: VerbOptions): BootOptions {
  const text = (name: string) => word(options[name]);
  const port = numberOption('port', text('port'), 1, 65_535);
  const user = text('user');
  const identity = text('identity');
  const platformText = text('platform');
  const platform = platformText === undefined ? undefined : parsePlatform(platformText);
  if (platformText !== undefined && !platform) throw wrongUsage(`--platform is '${platformText}', not os/architecture`, 'Write linux/arm64 or linux/arm/v7.');
  return {
    imageFile: path.resolve(image),
    timeoutMs: (numberOption('timeout', text('timeout'), 1, 86_400) ?? 600) * 1000,
    memoryMiB: numberOption('memory', text('memory'), 256, 3_072) ?? 2_048,
    internet: options['internet'] === true,
    ...(port === undefined ? {} : { sshPort: port }),
    ...(user ? { user } : {}),
    ...(identity ? { identityFile: path.resolve(identity) } : {}),
    ...(platform ? { platform } : {}),
  };
}

function numberOption(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw wrongUsage(`--${name} is '${text}', not a number from ${least} to ${most}`, `Correct --${name}.`);
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
