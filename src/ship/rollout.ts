import type { Context } from '../context.ts';
import { parseRolloutLogLine, type RolloutLogLine, type RolloutState } from '../device/rollout-log.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import type { TaskReport } from '../tasks.ts';
import type { Device } from './device.ts';

/** What a state means to whoever watches. */
const stateTexts: Readonly<Record<RolloutState, string>> = {
  uploaded: 'uploaded',
  verified: 'checksums verified',
  loaded: 'images loaded',
  synced: 'on disk',
  stopped: 'old services stopped',
  snapshotted: 'data ready',
  started: 'new services started',
  gated: 'gate passed',
  committed: 'committed',
  'rolled-back': 'rolled back',
};

/**
 * Starts a verb of the updater detached from this login and shows its log until it ends. From here on the host finishes
 * by itself, whatever happens to this side.
 * @throws ShipError with the updater's own code; E_ROLLED_BACK (exit status 4) when the old release runs again
 */
export async function followUpdater(context: Context, device: Device, args: readonly string[], report: TaskReport): Promise<void> {
  context.signal.throwIfAborted();
  const { stdout } = await device.updater(['start', ...args]);
  const log = stdout.trim();
  let lastError: { code: `E_${string}`; text: string } | undefined;
  const tail: string[] = [];
  const show = (line: RolloutLogLine): void => {
    if (line.kind === 'state') {
      report.detail(stateTexts[line.state]);
      report.log(stateTexts[line.state]);
    } else if (line.kind === 'error') {
      // The first error is the cause; what follows comes of it.
      lastError ??= line;
      tail.push(line.text);
    } else if (line.kind !== 'end') {
      report.log(line.text, line.kind);
      tail.push(line.text);
    }
  };
  const { name } = device.host;
  const result = await device
    .updater(['follow', log], {
      expect: [1, 2, 3, 4],
      onLine: (text) => {
        const line = parseRolloutLogLine(text);
        if (line) show(line);
      },
    })
    .catch((error: unknown) => {
      throw error instanceof ShipError ? unwatched(name, error) : error;
    });
  if (result.exitCode === 0) return;
  const message = lastError?.text ?? `the updater ended with exit status ${result.exitCode}`;
  const output = tail.slice(-25).join('\n');
  if (result.exitCode === 4) {
    throw new ShipError({
      code: 'E_ROLLED_BACK',
      message: `${name}: ${message}. ${args[0] === 'restore' ? 'The data from before is back' : 'The release before runs again'}`,
      output,
      remedy: `Its log is ${log} on the host; \`prose-ship logs ${name}\` shows what the services say.`,
      exitStatus: ExitStatus.rolledBack,
    });
  }
  throw new ShipError({
    code: lastError?.code ?? 'E_UPDATER',
    message: `${name}: ${message}`,
    output,
    remedy: `\`prose-ship status ${name}\` shows the state of the host.`,
    exitStatus: result.exitCode === 3 ? ExitStatus.preflight : ExitStatus.failed,
  });
}

/** This side stopped watching; the host goes on. */
function unwatched(name: string, error: ShipError): ShipError {
  return new ShipError({
    code: error.code,
    message: error.message,
    remedy: `${name} finishes or reverts by itself; \`prose-ship status ${name}\` tells how it ended. ${error.remedy ?? ''}`.trimEnd(),
    // Whatever it is elsewhere: here something was begun.
    exitStatus: error.exitStatus === ExitStatus.preflight ? ExitStatus.failed : error.exitStatus,
    cause: error,
  });
}
