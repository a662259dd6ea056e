import { formatPlatform } from '../../oci/platform.ts';
import type { Verb } from '../verb.ts';

export const check: Verb = {
  name: 'check',
  summary: 'validate the site file and its recipe; every problem at once',
  example: 'check --config chat/prose-ship.yaml',
  run: async (session) => {
    const { loadDeployment } = await import('../../site/load.ts');
    const { site, recipe } = await loadDeployment(session.context, session.siteFile);
    const platforms = site.platforms.map(formatPlatform);
    session.print(`${site.name} ${site.version} for ${site.domain}: recipe ${recipe.name} ${recipe.version}, ${platforms.join(', ')}. No problems.`);
    return { name: site.name, version: site.version, domain: site.domain, recipe: recipe.name, platforms };
  },
};
