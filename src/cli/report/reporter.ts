import type { ShipEvent } from '../../events.ts';

/** Shows events to somebody; one per run of the program. */
export interface Reporter {
  emit(event: ShipEvent): void;
  /** Calls `action`, which writes to the terminal or asks something there, as soon as nothing living stands on it. */
  whenFree(action: () => void): void;
  /** Shows at once that the run is being ended. */
  stopping(message: string): void;
  /** Resolves when everything emitted has been shown. */
  finish(): Promise<void>;
}
