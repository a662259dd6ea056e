import path from 'node:path';
import { archiveComponent, type ImageArchive } from '../../build/archive-images.ts';
import { buildTasks, type BuiltImage } from '../../build/build.ts';
import { buildSecrets, planBuild, type BasesProvider, type BuildPlan } from '../../build/plan.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { openEngine } from '../../host/engine/open-engine.ts';
import { formatPlatform } from '../../oci/platform.ts';
import type { Deployment, Source } from '../../site/model.ts';
import { buildSecrets as buildSecretNames, resolveSecrets } from '../../site/secrets.ts';
import { runTasks, type Task } from '../../tasks.ts';
import { formatBytes } from '../report/format.ts';
import { outputDirectory, platformsOf } from './site.ts';
import { word, type Session, type VerbOptions } from '../verb.ts';

export function planBuildOf(session: Session, deployment: Deployment, components: readonly string[], options: VerbOptions): BuildPlan {
  const platforms = platformsOf(options);
  const builder = word(options['builder']);
  const directory = (name: string) => {
    const value = word(options[name]);
    return value === undefined ? {} : { [name]: path.resolve(value) };
  };
  return planBuild(deployment, {
    outputDirectory: path.join(outputDirectory(session, options), 'layouts'),
    components,
    ...(platforms ? { platforms } : {}),
    ...(builder ? { builder } : {}),
    bases: word(options['bases']) as BasesProvider,
    ...directory('cacheFrom'),
    ...directory('cacheTo'),
    noCache: options['cache'] === false,
    environment: session.context.environment,
  });
}

/** A build plan for people: what is built from what, for which computers, and where it goes. */
export function describeBuild({ platforms, bases, components }: BuildPlan): string {
  const names = platforms.map(formatPlatform).join(', ');
  const from = (references: readonly string[]) => (references.length === 0 ? 'none' : `${references.join(', ')} (${bases})`);
  const lines = components.map((one) =>
    [
      `${one.component}: for ${names}`,
      `  source: ${describeSource(one.source)}`,
      `  Dockerfile: ${one.dockerfile}${one.target ? `, target ${one.target}` : ''}`,
      `  bases: ${from(one.bases)}`,
      ...Object.entries(one.args).map(([name, value]) => `  argument ${name}: ${value}`),
      ...one.secretIds.map((id) => `  secret ${id}`),
      `  image: ${one.layoutDirectory}`,
    ].join('\n'),
  );
  return lines.join('\n');
}

function describeSource(source: Source): string {
  switch (source.kind) {
    case 'local':
      return source.directory;
    case 'git':
      return `${source.url} at ${source.commit}${source.subdirectory ? `, folder ${source.subdirectory}` : ''}`;
    case 'url':
      return `${source.url} (SHA-256 ${source.sha256})`;
  }
}

/** Carries out a build plan, and archives what it made: one file per component and platform. */
export async function buildImages(session: Session, deployment: Deployment, plan: BuildPlan, options: VerbOptions): Promise<ImageArchive[]> {
  const { context } = session;
  const withSecrets = await resolveSecrets(context, deployment, buildSecretNames(deployment));
  const output = outputDirectory(session, options);
  const built: BuiltImage[] = [];
  const archives: ImageArchive[] = [];
  const engine = await openEngine(context, { allowPrivate: true });
  try {
    if (engine.isPrivate) context.emit({ type: 'log', level: 'info', message: `No engine answers; using a private one (${engine.version})` });
    await runTasks(context, [
      ...buildTasks(context, plan, engine, { secrets: buildSecrets(withSecrets), onImage: (image) => built.push(image) }),
      ...plan.components.map(({ component }) => archiveTask(session, deployment, component, { plan, built, archives, output })),
    ]);
  } finally {
    await engine.stop();
  }
  return archives;
}

interface Archiving {
  readonly plan: BuildPlan;
  readonly built: readonly BuiltImage[];
  readonly archives: ImageArchive[];
  readonly output: string;
}

function archiveTask({ context }: Session, deployment: Deployment, name: string, archiving: Archiving): Task {
  return {
    id: `archive:${name}`,
    title: `Archive ${name}`,
    run: async (report) => {
      const component = deployment.recipe.components.find((one) => one.name === name);
      const layoutDirectory = archiving.built.find((image) => image.component === name)?.layoutDirectory;
      if (!component || !layoutDirectory) {
        throw new ShipError({ code: 'E_IMAGE_MISSING', message: `The build made no image of '${name}'`, exitStatus: ExitStatus.failed });
      }
      const made = await archiveComponent(
        context,
        { ...component, layoutDirectory, platforms: archiving.plan.platforms },
        archiving.output,
        report.progress,
      );
      archiving.archives.push(...made);
      report.detail(made.every(({ unchanged }) => unchanged) ? 'unchanged' : describeArchives(made));
    },
  };
}

function describeArchives(archives: readonly ImageArchive[]): string {
  return archives.map(({ platform, sizeBytes }) => `${formatPlatform(platform)} ${formatBytes(sizeBytes)}`).join(', ');
}
