import { formatPlatform } from '../../oci/platform.ts';
import { formatSteps } from '../report/format-steps.ts';
import type { Verb } from '../verb.ts';

export const check: Verb = {
  name: 'check',
  summary: 'validate the site file and its recipe; every problem at once',
  example: 'check --config chat/prose-ship.yaml',
  run: async (session) => {
    const { loadDeployment } = await import('../../site/load.ts');
    const { site, recipe } = await loadDeployment(session.context, session.siteFile);
    const platforms = site.platforms.map(formatPlatform);
    session.print(`${site.name} ${site.version} for ${site.domain}: recipe ${recipe.name} ${recipe.version}${site.profile === undefined ? '' : `, profile ${site.profile}`}, ${platforms.join(', ')}. No problems.`);
    if (recipe.steps) session.print(`\n${formatSteps(recipe.steps)}`);
    return { name: site.name, version: site.version, domain: site.domain, recipe: recipe.name, ...(site.profile === undefined ? {} : { profile: site.profile }), platforms, ...(recipe.steps ? { steps: recipe.steps } : {}) };
  },
};
