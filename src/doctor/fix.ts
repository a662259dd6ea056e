import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../context.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import { run, type Command } from '../host/process.ts';
import type { Task, TaskReport } from '../tasks.ts';
import { inspect } from './inspect.ts';
import type { Machine } from './machine.ts';
import { aptArguments, registerCommand, type FixPlan, type Installation } from './plan.ts';
import type { Purpose } from './requirement.ts';

const installScript = path.join(import.meta.dirname, 'install-packages.sh');
/** Waits for another apt (unattended-upgrades) that holds the lock. */
const aptOptions = ['-o', 'DPkg::Lock::Timeout=300'];

/** The same command as root; sudo never asks, because nobody may be there to answer. */
export function asRoot(machine: Pick<Machine, 'isRoot'>, command: Command): Command {
  if (machine.isRoot) return command;
  return { program: 'sudo', args: ['-n', command.program, ...command.args] };
}

/** In a session of its own, so that a terminal's Ctrl-C does not reach it. */
export function installCommand(machine: Pick<Machine, 'isRoot'>, installation: Installation): Command {
  return asRoot(machine, { program: 'setsid', args: ['--wait', installScript, ...aptArguments(installation)] });
}

/**
 * The tasks that carry out a plan, none where there is nothing to do. The caller shows the plan first. Packages are
 * downloaded first, which can be interrupted; an installation that has begun is finished even after Ctrl-C.
 * Errors of the tasks: E_DOCTOR_INCOMPLETE when something is still missing afterwards, and what `run` throws.
 */
export function fixTasks(context: Context, machine: Machine, purpose: Purpose, plan: FixPlan): readonly Task[] {
  const tasks: Task[] = [];
  if (plan.newerSuite) {
    const { sourcesPath, sources, preferencesPath, preferences } = plan.newerSuite;
    // The preference first: without it the newer release would be preferred.
    tasks.push(fileTask(context, machine, preferencesPath, preferences), fileTask(context, machine, sourcesPath, sources));
  }
  if (plan.installations.length > 0) tasks.push(updateTask(context, machine));
  for (const installation of plan.installations) tasks.push(installTask(context, machine, installation));
  if (plan.binfmtNames.length > 0) tasks.push(binfmtTask(context, machine, plan.binfmtNames));
  if (tasks.length > 0) tasks.push(verifyTask(context, machine, purpose));
  return tasks;
}

function fileTask(context: Context, machine: Machine, file: string, text: string): Task {
  return {
    id: `write:${path.basename(path.dirname(file))}`,
    title: `Write ${file}`,
    async skip() {
      return (await readFile(file, 'utf8').catch(() => undefined)) === text ? 'already there' : undefined;
    },
    async run() {
      const script = 'set -eu; umask 022; trap \'rm -f "$1.new"\' EXIT; cat >"$1.new"; mv "$1.new" "$1"';
      await run(context, asRoot(machine, { program: 'sh', args: ['-c', script, 'sh', file] }), { input: text });
    },
  };
}

function updateTask(context: Context, machine: Machine): Task {
  return {
    id: 'update',
    title: 'Update the package lists',
    async run(report) {
      await run(context, asRoot(machine, { program: 'apt-get', args: ['update', ...aptOptions] }), logTo(report));
    },
  };
}

function installTask(context: Context, machine: Machine, installation: Installation): Task {
  const { packages, fromSuite } = installation;
  return {
    id: fromSuite ? `install:${fromSuite}` : 'install',
    title: `Install ${packages.join(' ')}`,
    async run(report) {
      const args = ['install', '--yes', '--no-install-recommends', ...aptOptions, '--download-only', ...aptArguments(installation)];
      await run(context, asRoot(machine, { program: 'apt-get', args }), logTo(report));
      context.signal.throwIfAborted();
      const unstoppable: Context = { ...context, signal: new AbortController().signal };
      await run(unstoppable, installCommand(machine, installation), logTo(report));
      context.signal.throwIfAborted();
    },
  };
}

function binfmtTask(context: Context, machine: Machine, names: readonly string[]): Task {
  return {
    id: 'binfmt',
    title: `Let the kernel run ARM programs (${names.join(', ')})`,
    async run(report) {
      await run(context, asRoot(machine, registerCommand(names)), logTo(report));
    },
  };
}

function verifyTask(context: Context, machine: Machine, purpose: Purpose): Task {
  return {
    id: 'verify',
    title: 'Look again',
    async run(report) {
      const findings = await inspect(context, machine, purpose);
      const unmet = findings.filter((finding) => !finding.isMet);
      report.detail(`${findings.length - unmet.length} of ${findings.length} there`);
      const [first] = unmet;
      if (!first) return;
      throw new ShipError({
        code: 'E_DOCTOR_INCOMPLETE',
        message: `Still missing: ${unmet.map(({ requirement, detail }) => `${requirement.what} (${detail})`).join(', ')}`,
        remedy: first.requirement.advice ?? 'See the output above, or `prose-ship doctor --verbose`.',
        exitStatus: ExitStatus.preflight,
      });
    },
  };
}

function logTo(report: TaskReport): { onLine: (line: string) => void } {
  return { onLine: (line) => report.log(line, 'debug') };
}
