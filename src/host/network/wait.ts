import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from '../../context.ts';
import { throwIfAborted } from '../ssh/transport.ts';

/** @throws ShipError E_INTERRUPTED */
export async function wait(context: Context, timeMs: number): Promise<void> {
  await delay(timeMs, undefined, { signal: context.signal }).catch(() => throwIfAborted(context));
}
