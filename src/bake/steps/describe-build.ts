import path from 'node:path';
import { layoutContext } from '../../build/base-contexts.ts';
import { provideBase, type ProvidedBase } from '../../build/bases.ts';
import { loadBase } from '../../build/graphdriver/loaded-base.ts';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { machinePlatform } from '../../host/engine/emulation.ts';
import { distinctPlatforms } from '../../oci/platform.ts';
import type { TaskReport } from '../../tasks.ts';
import { toolsBase, type OsImageBuild } from '../assemble/os-image-build.ts';
import type { BakeInputs, Bench } from './bench.ts';

export async function describeBuild(context: Context, inputs: BakeInputs, bench: Bench, report: TaskReport): Promise<OsImageBuild> {
  const { plan, bases, sourceDateEpoch, builder } = inputs;
  const engine = await inputs.engine();
  const onLine = (line: string): void => report.log(line, 'debug');
  const surroundings = { ...(builder ? { builder } : {}), ...(engine.dockerHost ? { dockerHost: engine.dockerHost } : {}) };
  const docker = (...args: string[]) => ({ program: 'docker', args, ...(engine.dockerHost ? { env: { DOCKER_HOST: engine.dockerHost } } : {}) });
  const native = machinePlatform();
  const platforms = distinctPlatforms([...(native ? [native] : []), ...(bench.base?.kind === 'debian' ? [plan.platform] : [])]);
  const onWarning = (message: string): void => report.log(message, 'warning');
  const tools = await provideBase(context, { reference: toolsBase, platforms, provider: bases, sourceDateEpoch, ...surroundings, onLine, onWarning });
  // A graph driver's BuildKit reads no layouts (docs/internals/building.md).
  const readsLayouts = builder !== undefined || engine.imageStore === 'containerd';
  if (tools.kind === 'bootstrap' && !readsLayouts) {
    throw new ShipError({
      code: 'E_BASE_UNAVAILABLE',
      message: `This engine cannot take ${toolsBase} from a folder, and no registry gives it`,
      remedy: "Turn the engine's containerd image store on, or let it reach a registry.",
      exitStatus: ExitStatus.preflight,
    });
  }
  const contextOf = async (directory: string, tag: string): Promise<string> => {
    if (readsLayouts) return layoutContext({ directory, tag });
    const loaded: Extract<ProvidedBase, { kind: 'bootstrap' }> = { kind: 'bootstrap', reference: 'rootfs', directory, tag, suite: '', isCached: true };
    return `docker-image://${await loadBase(context, loaded, plan.platform, docker)}`;
  };
  const { base } = bench;
  return {
    platform: plan.platform,
    sourceDateEpoch,
    builder: surroundings,
    noCache: inputs.noCache,
    tools: { base: tools, ...(tools.kind === 'bootstrap' ? { context: await contextOf(tools.directory, tools.tag) } : {}) },
    ...(base?.kind === 'image' ? { rootfsContext: await contextOf(base.rootfs.directory, base.rootfs.tag) } : {}),
    customiseDirectory: path.join(bench.directory, 'customise'),
    ...(bench.engineSource?.directory === undefined ? {} : { engineRepository: bench.engineSource.directory }),
  };
}
