import { formatSteps } from '../../report/format-steps.ts';
import type { Verb } from '../../verb.ts';

export const steps: Verb = {
  name: 'steps',
  summary: "what is left for a person to do, with the site's values: at the router, at the DNS provider",
  example: 'steps --config chat/prose-ship.yaml',
  run: async (session) => {
    const { loadDeployment } = await import('../../../site/load.ts');
    const { recipe } = await loadDeployment(session.context, session.siteFile);
    const left = recipe.steps ?? [];
    session.print(left.length === 0 ? 'Nothing is left for you to do.' : formatSteps(left));
    return { steps: left };
  },
};
