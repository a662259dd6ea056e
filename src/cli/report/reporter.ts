import type { ShipEvent } from '../../events.ts';

/** Shows events to somebody; one per run of the program. */
export interface Reporter {
  emit(event: ShipEvent): void;
  /** Resolves when everything emitted has been shown. */
  finish(): Promise<void>;
}
