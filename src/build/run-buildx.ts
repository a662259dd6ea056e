import type { Context } from '../context.ts';
import { ShipError } from '../errors.ts';
import { run } from '../host/process.ts';
import type { TaskReport } from '../tasks.ts';
import { buildxBuild, type BuildxStep } from './buildx.ts';
import { buildFailure } from './failure.ts';
import { BuildProgress, type InstructionCounts } from './progress.ts';

/** Who follows a run of buildx. */
export interface BuildxRun {
  readonly component: string;
  readonly report: Pick<TaskReport, 'log'>;
}

/**
 * Runs buildx, reads what it prints, and reports each instruction that begins.
 * @throws ShipError E_BUILD_FAILED with the failing step
 */
export async function runBuildx(context: Context, step: BuildxStep, { component, report }: BuildxRun): Promise<InstructionCounts> {
  const progress = new BuildProgress();
  try {
    await run(context, buildxBuild(step), {
      onLine: (line) => {
        const changed = progress.accept(line);
        report.log(line, 'debug');
        if (changed?.state === 'running' && changed.isInstruction) report.log(changed.name);
      },
    });
    return progress.counts();
  } catch (error) {
    if (!(error instanceof ShipError) || error.code !== 'E_COMMAND_FAILED') throw error;
    throw buildFailure(component, step, progress, error);
  }
}
