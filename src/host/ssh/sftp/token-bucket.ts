import { setTimeout as delay } from 'node:timers/promises';

/** What may be sent at once after a pause: enough that the clock's coarseness costs no speed. */
const burstMs = 100;

/** Slows down whoever takes from it, all of them together, to a rate in bytes per second. */
export class TokenBucket {
  readonly #bytesPerMs: number;
  #paidUntilMs = -Infinity;

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /**
   * Resolves when so many bytes may be sent, in the order of the calls.
   * @throws AbortError once `signal` is aborted
   */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const nowMs = performance.now();
    this.#paidUntilMs = Math.max(this.#paidUntilMs, nowMs - burstMs) + bytes / this.#bytesPerMs;
    const waitMs = this.#paidUntilMs - nowMs;
    if (waitMs >= 1) await delay(waitMs, undefined, { signal });
  }
}
