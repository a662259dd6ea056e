import { archiveComponent } from '../../../src/build/archive-images.ts';
import { createContext } from '../../../src/context.ts';
import { packRelease, releaseDirectory, type PackResult } from '../../../src/release/pack-release.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { imageLayout, type LayerFiles } from './image-layout.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { writeProsodySite } from '../chat/prosody-site.ts';

const platform = 'linux/arm64';

/** A release of the prosody recipe for one platform, whose image consists of these layers instead of a real build. */
export async function packedRelease(layers: readonly LayerFiles[], version = '1.0.0', directory?: string): Promise<PackResult> {
  const place = directory ?? (await temporaryDirectory('release'));
  const context = createContext();
  const deployment = await loadDeployment(context, await writeProsodySite({ directory: place, version, platforms: [platform] }));
  const [component] = deployment.recipe.components;
  if (!component) throw new Error('the recipe has no component');
  const layoutDirectory = await imageLayout(layers, { platform });
  const archives = await archiveComponent(context, { ...component, layoutDirectory, platforms: deployment.site.platforms }, place);
  return packRelease(deployment, archives, releaseDirectory(place, deployment));
}
