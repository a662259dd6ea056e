import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, cp, mkdir, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from '../../src/context.ts';
import type { ThrowawayHost } from '../../test/support/hosts/throwaway-host.ts';
import { ended, killQuietly, spawnTied } from '../../test/support/hosts/tied-process.ts';
import { debianProgram } from './programs.ts';

/** Debian's docker-registry with a folder of its own, which can be taken back to what it was. */
export interface Registry {
  readonly port: number;
  /** From now on this is what `reset` returns to. */
  remember(): Promise<void>;
  reset(): Promise<void>;
  stop(): Promise<void>;
}

const startsWithinMs = 10_000;

function configuration(directory: string, port: number): string {
  return [
    'version: 0.1',
    'log: {level: error, accesslog: {disabled: true}}',
    `storage: {filesystem: {rootdirectory: ${directory}}, cache: {blobdescriptor: inmemory}}`,
    `http: {addr: '127.0.0.1:${port}'}`,
    '',
  ].join('\n');
}

/** On this machine. */
export async function registryHere(context: Context, directory: string): Promise<Registry> {
  const program = await debianProgram(context, 'docker-registry');
  const port = await freePort();
  const data = path.join(directory, 'data');
  await mkdir(data, { recursive: true });
  await writeFile(path.join(directory, 'config.yml'), configuration(data, port));
  let server: ChildProcess | undefined;
  const stop = async () => {
    const running = server;
    server = undefined;
    if (!running) return;
    killQuietly(running.pid);
    await ended(running);
  };
  const start = async () => {
    server = spawnTied([program, 'serve', path.join(directory, 'config.yml')]);
    for (const pipe of [server.stdout, server.stderr]) pipe?.resume();
    await answers(() => fetch(`http://127.0.0.1:${port}/v2/`).then(({ ok }) => ok, () => false));
  };
  await start();
  return {
    port,
    stop,
    remember: async () => {
      await rm(`${data}.kept`, { recursive: true, force: true });
      await cp(data, `${data}.kept`, { recursive: true });
    },
    reset: async () => {
      await stop();
      await rm(data, { recursive: true, force: true });
      await cp(`${data}.kept`, data, { recursive: true });
      await start();
    },
  };
}

/** On the host, where 127.0.0.1 is its own. */
export async function registryThere(context: Context, host: ThrowawayHost): Promise<Registry> {
  const port = 5000;
  const data = '/var/lib/bench-registry';
  const disk = '/var/tmp/registry';
  await copyFile(await debianProgram(context, 'docker-registry'), path.join(host.root, 'usr/local/bin/docker-registry'));
  await writeFile(path.join(host.root, 'etc/bench-registry.yml'), configuration(disk, port));
  const sh = async (script: string) => {
    const { exitCode, stderr } = await host.exec(script, { timeoutMs: 60_000 });
    if (exitCode !== 0) throw new Error(`${script}: ${stderr}`);
  };
  const stop = 'if [ -f /run/registry.pid ]; then kill -9 "$(cat /run/registry.pid)"; rm /run/registry.pid; fi';
  const start = `mkdir -p ${disk}; setsid sh -c 'echo $$ >/run/registry.pid; exec docker-registry serve /etc/bench-registry.yml' </dev/null >/var/log/registry.log 2>&1 &`;
  const answering = () => answers(async () => (await host.exec(`curl -sf -m 2 http://127.0.0.1:${port}/v2/`)).exitCode === 0);
  await sh(start);
  await answering();
  return {
    port,
    stop: () => sh(stop),
    remember: () => sh(`rm -rf ${data}; cp -a ${disk} ${data}`),
    reset: async () => {
      await sh(`${stop}; rm -rf ${disk}; cp -a ${data} ${disk}; ${start}`);
      await answering();
    },
  };
}

async function answers(ask: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + startsWithinMs;
  while (!(await ask())) {
    if (Date.now() > deadline) throw new Error('docker-registry does not answer');
    await delay(50);
  }
}

export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
