import { readFile } from 'node:fs/promises';
import type { Context } from '../context.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import { machinePlatform, requireEmulation } from '../host/engine/emulation.ts';
import type { Engine } from '../host/engine/engine.ts';
import { exists } from '../host/files.ts';
import { run } from '../host/process.ts';
import { distinctPlatforms } from '../oci/platform.ts';
import type { Task, TaskReport } from '../tasks.ts';
import { provideBase, type ProvidedBase } from './bases.ts';
import { buildComponent, type BuiltImage } from './build-component.ts';
import { buildxInspect, parseDriver } from './buildx.ts';
import type { BuildPlan, BuildSecrets, ComponentBuild } from './plan.ts';
import { provideSource } from './sources.ts';

export type { BuiltImage };

export interface BuildTaskOptions {
  readonly secrets?: BuildSecrets;
  /** Called once for each image, in the order of the plan. */
  readonly onImage?: (image: BuiltImage) => void;
}

/** What the tasks find out for the ones after them. */
interface Findings {
  exportsLayouts: boolean;
  readonly bases: Map<string, ProvidedBase>;
}

/**
 * Preflight, then the bases, then one task per component.
 * Their errors: E_EMULATION_MISSING, E_DOCKERFILE_MISSING, E_SOURCE_MISSING, E_BUILD_SECRET_MISSING (exit status 3, before
 * anything is built), those of bases.ts and sources.ts, and E_BUILD_FAILED.
 */
export function buildTasks(context: Context, plan: BuildPlan, engine: Engine, options: BuildTaskOptions = {}): Task[] {
  const findings: Findings = { exportsLayouts: false, bases: new Map() };
  const builder = chooseBuilder(plan, engine);
  const references = [...new Set(plan.components.flatMap(({ bases }) => bases))];
  return [
    {
      id: 'preflight',
      title: 'Check what the build needs',
      async run() {
        for (const build of plan.components) await requireInputs(build, options.secrets);
        await requireEmulation(context, plan.platforms, builder);
        const driver = parseDriver((await run(context, buildxInspect(builder))).stdout);
        findings.exportsLayouts = engine.imageStore === 'containerd' || driver !== 'docker';
      },
    },
    ...references.map((reference): Task => ({
      id: `base:${reference}`,
      title: `Provide the base ${reference}`,
      async run(report) {
        const native = (await crossCompiles(plan, reference)) ? machinePlatform() : undefined;
        const base = await provideBase(context, {
          reference,
          platforms: distinctPlatforms([...plan.platforms, ...(native ? [native] : [])]),
          provider: plan.bases,
          sourceDateEpoch: plan.sourceDateEpoch,
          ...builder,
          // mmdebstrap marks its steps so; making a base takes minutes, and somebody watches.
          onLine: (line) => report.log(line.replace(': I: ', ': '), line.includes(': I: ') ? 'info' : 'debug'),
          onWarning: (message) => report.log(message, 'warning'),
        });
        if (native && base.kind === 'bootstrap' && !findings.exportsLayouts) throw noNativeBase(reference);
        findings.bases.set(reference, base);
        report.detail(base.kind === 'registry' ? 'from its registry' : base.isCached ? 'cached' : 'made of Debian packages');
      },
    })),
    ...plan.components.map((build): Task => ({
      id: `build:${build.component}`,
      title: `Build ${build.component}`,
      run: async (report: TaskReport) => {
        const contextDirectory = await provideSource(context, build.source, (done, total) => report.progress(done, total));
        const result = await buildComponent(context, {
          plan,
          build,
          builder,
          contextDirectory,
          bases: build.bases.flatMap((reference) => findings.bases.get(reference) ?? []),
          secrets: options.secrets?.[build.component] ?? {},
          exportsLayouts: findings.exportsLayouts,
          report,
        });
        for (const image of result.images) options.onImage?.(image);
        report.detail(result.isCached ? 'cached' : `${result.images.length} platforms`);
      },
    })),
  ];
}

/** An engine given by address is reached by the client's default builder, whichever builder the user has selected. */
function chooseBuilder(plan: BuildPlan, { dockerHost }: Engine): { builder?: string; dockerHost?: string } {
  const builder = plan.builder ?? (dockerHost ? 'default' : undefined);
  return { ...(builder ? { builder } : {}), ...(dockerHost ? { dockerHost } : {}) };
}

async function requireInputs(build: ComponentBuild, secrets: BuildSecrets = {}): Promise<void> {
  if (!(await exists(build.dockerfile))) {
    throw missing('E_DOCKERFILE_MISSING', `The Dockerfile '${build.dockerfile}' of '${build.component}' does not exist`, 'Correct `dockerfile` of the component.');
  }
  if (build.source.kind === 'local' && !(await exists(build.source.directory))) {
    throw missing('E_SOURCE_MISSING', `The source folder '${build.source.directory}' of '${build.component}' does not exist`, 'Correct `source` of the component, or check that folder out.');
  }
  const absent = build.secretIds.find((id) => secrets[build.component]?.[id] === undefined);
  if (absent !== undefined) {
    throw missing('E_BUILD_SECRET_MISSING', `The build secret '${absent}' of '${build.component}' has no value`, 'Give it under `secrets` of the component.');
  }
}

/** Whether a Dockerfile on this base has stages of the machine that builds: they need the base for that machine, too. */
async function crossCompiles({ components }: BuildPlan, reference: string): Promise<boolean> {
  const dockerfiles = new Set(components.filter(({ bases }) => bases.includes(reference)).map(({ dockerfile }) => dockerfile));
  const texts = await Promise.all([...dockerfiles].map((file) => readFile(file, 'utf8')));
  return texts.some((text) => /^FROM\s+--platform=\$\{?BUILDPLATFORM\b/im.test(text));
}

/** A graph driver is given one image at a time (graphdriver/build-by-loading.ts), not one for each stage's platform. */
function noNativeBase(reference: string): ShipError {
  return new ShipError({
    code: 'E_BASE_UNAVAILABLE',
    message: `This engine cannot take ${reference} for two platforms at once from a folder, which cross-compiling needs, and no registry gives it`,
    remedy: "Turn the engine's containerd image store on, or let it reach a registry.",
    exitStatus: ExitStatus.preflight,
  });
}

function missing(code: `E_${string}`, message: string, remedy: string): ShipError {
  return new ShipError({ code, message, remedy, exitStatus: ExitStatus.preflight });
}
