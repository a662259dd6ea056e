import path from 'node:path';
import { formatCommand, type Command } from '../host/process.ts';
import { newerSuiteFiles, releaseOf, type AptSource, type NewerSuiteFiles } from './apt-sources.ts';
import type { Machine } from './machine.ts';
import { packagesOf } from './packages.ts';
import type { Finding } from './requirement.ts';

/** One installation by apt; `fromSuite` where it is not the machine's own release. */
export interface Installation {
  readonly packages: readonly string[];
  readonly fromSuite?: string;
}

/** What `doctor --fix` will do; computed without touching anything. */
export interface FixPlan {
  /** Whether this process may do it itself: a known distribution, and root or sudo. */
  readonly canRun: boolean;
  readonly newerSuite?: NewerSuiteFiles;
  readonly installations: readonly Installation[];
  /** Names of binfmt_misc entries to register: `qemu-arm`. */
  readonly binfmtNames: readonly string[];
  /** What only a person can do. */
  readonly advice: readonly string[];
}

/** Debian's QEMU packages name their entries so (usr/lib/binfmt.d). */
const binfmtNames: ReadonlyMap<string, string> = new Map([
  ['linux/arm/v7', 'qemu-arm'],
  ['linux/arm64', 'qemu-aarch64'],
]);

/** Makes the plan that meets every finding that is not met; an empty one where all are. */
export function planFix(machine: Machine, findings: readonly Finding[], sources: readonly AptSource[]): FixPlan {
  const unmet = findings.filter((finding) => !finding.isMet);
  const missing = unmet.filter((finding) => !finding.isInstalled);
  const parts = [...new Set(missing.flatMap((finding) => finding.requirement.parts))];
  const advice = unmet.flatMap(({ requirement }) => (requirement.advice ? [`${requirement.what}: ${requirement.advice}`] : []));
  const distribution = machine.distribution && releaseOf(machine.distribution, sources);
  const set = distribution && packagesOf(parts, distribution);
  const fixable = unmet.filter((finding) => finding.requirement.parts.length > 0);
  if (!set) return frozen({ canRun: false, installations: [], binfmtNames: [], advice: [...advice, ...byHand(machine, fixable)] });

  const newerSuite = set.newerSuite ? newerSuiteFiles(sources, distribution.codename, set.newerSuite) : undefined;
  const installations: Installation[] = [
    ...(set.own.length > 0 ? [{ packages: set.own }] : []),
    ...(newerSuite && set.newerSuite ? [{ packages: set.newer, fromSuite: set.newerSuite }] : []),
  ];
  if (set.newerSuite && !newerSuite) {
    advice.push(`No source of ${distribution.codename} is configured in /etc/apt, so ${set.newerSuite} could not be added: install ${set.newer.join(', ')} by hand.`);
  }
  const idle = unmet.filter((finding) => finding.isInstalled && finding.requirement.check.kind !== 'emulation');
  advice.push(...idle.map(({ requirement, detail }) => `${requirement.what}: ${detail}`));
  return frozen({
    canRun: machine.isRoot || machine.canSudo,
    ...(newerSuite ? { newerSuite } : {}),
    installations,
    binfmtNames: unmet.flatMap(({ requirement: { check } }) => {
      const name = check.kind === 'emulation' ? binfmtNames.get(check.platform) : undefined;
      return name === undefined ? [] : [name];
    }),
    advice,
  });
}

/** Whether there is anything in the plan that this process, or a person with its commands, can do. */
export function isEmptyPlan(plan: FixPlan): boolean {
  return plan.installations.length === 0 && plan.binfmtNames.length === 0;
}

/** The plan as a person reads it: what will be installed and registered. */
export function describePlan(plan: FixPlan): readonly string[] {
  return [
    ...(plan.newerSuite ? [`add ${plan.newerSuite.sourcesPath} and ${plan.newerSuite.preferencesPath}`] : []),
    ...plan.installations.map(({ packages, fromSuite }) => `install ${packages.join(' ')}${fromSuite ? ` (from ${fromSuite})` : ''}`),
    ...plan.binfmtNames.map((name) => `register ${name} with the kernel (binfmt_misc)`),
  ];
}

/** The same as commands for a root shell, for whoever would rather type them or has to. */
export function planCommands(plan: FixPlan): readonly string[] {
  const { newerSuite } = plan;
  const heredoc = (file: string, text: string): string => `cat >${file} <<'END'\n${text}END`;
  return [
    ...(newerSuite
      ? [heredoc(newerSuite.sourcesPath, newerSuite.sources), heredoc(newerSuite.preferencesPath, newerSuite.preferences)]
      : []),
    ...(plan.installations.length > 0 ? ['apt-get update'] : []),
    ...plan.installations.map((installation) => formatCommand({ program: 'apt-get', args: ['install', '--no-install-recommends', ...aptArguments(installation)] })),
    ...(plan.binfmtNames.length > 0 ? [formatCommand(registerCommand(plan.binfmtNames))] : []),
  ];
}

/** What follows `apt-get install` for an installation. */
export function aptArguments({ packages, fromSuite }: Installation): readonly string[] {
  return [...(fromSuite ? [`--target-release=${fromSuite}`] : []), ...packages];
}

export function registerCommand(names: readonly string[]): Command {
  return { program: path.join(import.meta.dirname, 'register-binfmt.sh'), args: names };
}

function byHand(machine: Machine, unmet: readonly Finding[]): string[] {
  if (unmet.length === 0) return [];
  const how = machine.platform === 'darwin' ? 'Install Docker Desktop, and with Homebrew what is missing beyond it' : 'Install with your package manager';
  return [`${how}: ${unmet.map((finding) => finding.requirement.what).join(', ')}.`];
}

function frozen(plan: FixPlan): FixPlan {
  return Object.freeze(plan);
}
