import { runBuildx } from '../../build/run-buildx.ts';
import type { Context } from '../../context.ts';
import { ShipError } from '../../errors.ts';
import type { TaskReport } from '../../tasks.ts';
import { setupError } from '../assemble/setup-error.ts';

/** A failed build whose script named the problem fails with that. */
export async function buildOrExplain(context: Context, step: Parameters<typeof runBuildx>[1], component: string, report: TaskReport): Promise<void> {
  await runBuildx(context, step, { component, report }).catch((error: unknown) => {
    throw (error instanceof ShipError && setupError((error.output ?? '').split('\n'))) || error;
  });
}
