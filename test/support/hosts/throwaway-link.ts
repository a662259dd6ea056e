import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createContext } from '../../../src/context.ts';
import { run, type RunResult } from '../../../src/host/process.ts';

/** A veth pair: one end stays on this machine, the other becomes a throw-away host's eth0. */
export interface Link {
  /** The host's address, without prefix length; this machine has the one before it. */
  readonly address: string;
  readonly deviceName: string;
  /** Makes the pair, with its far end in the network namespace of process `pid`. */
  connect(pid: number): Promise<void>;
  /** Waits until the kernel has taken the pair away with the host's network namespace. */
  disconnected(): Promise<void>;
  /** Waits until the carrier is back, and forgets that the host could not be reached. */
  restored(): Promise<void>;
  /** A token bucket on this machine's end (tc-tbf); undefined: no limit. Stays over a reboot. */
  shape(mbitPerSecond: number | undefined): Promise<void>;
  remove(): Promise<void>;
}

/** 198.19.0.0/16, the upper half of the benchmark range, in /30s; private engines take theirs from the lower half. */
const subnets = 2 ** 14;

/** Finds a subnet that nobody uses; the device's name holds its number, so the kernel decides races. */
export async function attachLink(): Promise<Link> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const index = randomInt(subnets);
    const deviceName = `pship${index}`;
    const used = await ip(['-brief', 'address', 'show', 'to', `${subnetAddress(index, 0)}/30`]);
    const exists = (await ip(['link', 'show', deviceName], [0, 1])).exitCode === 0;
    if (used.stdout.trim() === '' && !exists) return createLink(index, deviceName);
  }
  throw new Error('No free subnet of 198.19.0.0/16 for a throw-away host');
}

function createLink(index: number, deviceName: string): Link {
  let limit: number | undefined;
  const shapeNow = async (): Promise<void> => {
    await tc(['qdisc', 'del', 'dev', deviceName, 'root'], [0, 2]);
    if (limit !== undefined) {
      await tc(['qdisc', 'add', 'dev', deviceName, 'root', 'tbf', 'rate', `${limit}mbit`, 'burst', '256kb', 'latency', '100ms']);
    }
  };
  const exists = async (): Promise<boolean> => (await ip(['link', 'show', deviceName], [0, 1])).exitCode === 0;
  return {
    address: subnetAddress(index, 2),
    deviceName,
    async connect(pid) {
      await ip(['link', 'add', deviceName, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid)]);
      await ip(['address', 'add', `${subnetAddress(index, 1)}/30`, 'dev', deviceName]);
      await ip(['link', 'set', deviceName, 'up']);
      await shapeNow();
    },
    async disconnected() {
      for (let waitedMs = 0; waitedMs < 10_000 && (await exists()); waitedMs += 50) await delay(50);
    },
    async restored() {
      const isUp = async (): Promise<boolean> => (await ip(['-brief', 'link', 'show', deviceName])).stdout.includes(' UP ');
      for (let waitedMs = 0; waitedMs < 10_000 && !(await isUp()); waitedMs += 50) await delay(50);
      await ip(['neighbour', 'flush', 'dev', deviceName]);
    },
    async shape(mbitPerSecond) {
      limit = mbitPerSecond;
      await shapeNow();
    },
    async remove() {
      await ip(['link', 'del', deviceName], [0, 1]);
    },
  };
}

function subnetAddress(index: number, offset: number): string {
  const number = index * 4 + offset;
  return `198.19.${number >> 8}.${number & 255}`;
}

const context = createContext();
const ip = (args: string[], expect?: number[]): Promise<RunResult> => run(context, { program: 'ip', args }, expect ? { expect } : {});
const tc = (args: string[], expect?: number[]): Promise<RunResult> => run(context, { program: 'tc', args }, expect ? { expect } : {});
