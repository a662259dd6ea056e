import { purposes, type Purpose } from '../../doctor/requirement.ts';
import { ExitStatus, ShipError, wrongUsage } from '../../errors.ts';
import { connectOption, onHosts } from './host/host-verb.ts';
import { word, words, type Session, type Verb, type VerbOptions } from '../verb.ts';

export const doctor: Verb = {
  name: 'doctor',
  summary: 'what this machine or a host lacks, and the commands that fix it',
  arguments: [{ name: '[host]', description: 'a name of the site file, or user@address (default: this machine)' }],
  options: [
    { flags: '--fix', description: 'install what is missing, after showing it' },
    { flags: '--for <purpose>', description: 'what the machine is used for', choices: purposes, default: 'build' },
    connectOption,
  ],
  example: 'doctor --fix',
  run: async (session, args, options) => {
    const [host] = words(args, 0);
    if (host !== undefined) return inspectHost(session, host, options);
    const { describeMachine } = await import('../../doctor/machine.ts');
    const { inspect } = await import('../../doctor/inspect.ts');
    const { readAptSources } = await import('../../doctor/apt-sources.ts');
    const { describePlan, isEmptyPlan, planCommands, planFix } = await import('../../doctor/plan.ts');
    const { fixTasks } = await import('../../doctor/fix.ts');
    const { runTasks } = await import('../../tasks.ts');
    const { context } = session;
    const purpose = word(options['for']) as Purpose;
    const machine = await describeMachine(context);
    const findings = await inspect(context, machine, purpose);
    const unmet = findings.filter(({ isMet }) => !isMet);
    session.print(findings.map(({ requirement, isMet, detail }) => `${isMet ? 'ok     ' : 'missing'}  ${requirement.what}: ${detail}`).join('\n'));
    const plan = planFix(machine, findings, await readAptSources());
    if (unmet.length === 0) {
      session.print('Nothing is missing.');
      return { missing: [] };
    }
    const willFix = options['fix'] === true && plan.canRun && !isEmptyPlan(plan) && !session.dryRun;
    if (willFix) {
      session.print(['To be done:', ...describePlan(plan)].join('\n  '));
      await runTasks(context, fixTasks(context, machine, purpose, plan));
      return { fixed: unmet.map(({ requirement }) => requirement.what) };
    }
    const commands = planCommands(plan);
    throw new ShipError({
      code: 'E_MISSING_REQUIREMENTS',
      message: `This machine lacks ${unmet.map(({ requirement }) => requirement.what).join(', ')}`,
      remedy: [
        ...(commands.length > 0 ? [plan.canRun ? 'Run `prose-ship doctor --fix`, or as root:' : 'Run as root:', ...commands] : []),
        ...plan.advice,
      ].join('\n'),
      exitStatus: ExitStatus.preflight,
    });
  },
};

/** The host's own inventory; what it lacks comes as an error with the remedy. */
async function inspectHost(session: Session, name: string, options: VerbOptions): Promise<object> {
  if (options['fix'] === true) {
    throw wrongUsage('--fix is for this machine only', `\`prose-ship provision ${name}\` installs what the host lacks.`);
  }
  const { readInventory } = await import('../../ship/device.ts');
  const { formatBytes, formatTable } = await import('../report/format.ts');
  const { formatPlatform } = await import('../../oci/platform.ts');
  const [inventory] = await onHosts(session, [name], options, readInventory);
  if (!inventory) throw new Error('unreachable: one host was named');
  const platforms = inventory.platforms.map(formatPlatform);
  const rows = [
    ['updater', `version ${inventory.updaterVersion}`],
    ['runs', platforms.join(', ')],
    ['Docker engine', `${inventory.engineVersion}, image store ${inventory.store}`],
    ['Docker Compose', inventory.composeVersion],
    ['release', inventory.currentId ?? 'none yet'],
    ['free space', `${formatBytes(inventory.freeBytes)}, for images ${formatBytes(inventory.engineFreeBytes)}`],
  ];
  session.print(`${formatTable(['host', name], rows)}\nNothing is missing.`);
  return { host: name, missing: [], platforms, engine: inventory.engineVersion, compose: inventory.composeVersion };
}
