import { ExitStatus, ShipError } from '../../errors.ts';
import { word, type Verb } from '../verb.ts';

export const doctor: Verb = {
  name: 'doctor',
  summary: 'what this machine lacks, and the commands that fix it',
  options: [
    { flags: '--fix', description: 'install what is missing, after showing it' },
    { flags: '--for <purpose>', description: 'what the machine is used for', choices: ['build', 'demo', 'test'], default: 'build' },
  ],
  example: 'doctor --fix',
  run: async (session, _args, options) => {
    const { describeMachine } = await import('../../doctor/machine.ts');
    const { inspect } = await import('../../doctor/inspect.ts');
    const { readAptSources } = await import('../../doctor/apt-sources.ts');
    const { describePlan, isEmptyPlan, planCommands, planFix } = await import('../../doctor/plan.ts');
    const { fixTasks } = await import('../../doctor/fix.ts');
    const { runTasks } = await import('../../tasks.ts');
    const { context } = session;
    const purpose = word(options['for']) as 'build' | 'demo' | 'test';
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
