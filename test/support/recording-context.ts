import { createContext, type Context } from '../../src/context.ts';
import type { ShipEvent } from '../../src/events.ts';

export interface Recording {
  readonly context: Context;
  /** Everything that was emitted, in order. */
  readonly events: readonly ShipEvent[];
  /** `id state` of every change of a task. */
  readonly states: () => string[];
}

/** A context whose events are kept, for tests of what the core tells. */
export function recordingContext(options: Partial<Omit<Context, 'emit'>> = {}): Recording {
  const events: ShipEvent[] = [];
  return {
    context: createContext({ ...options, emit: (event) => events.push(event) }),
    events,
    states: () => events.flatMap((event) => (event.type === 'task' ? [`${event.id} ${event.state}`] : [])),
  };
}
