import type { Requirement } from './requirement.ts';
import { buildRequirements } from './requirements/build.ts';
import { cardsRequirements } from './requirements/cards.ts';
import { demoRequirements } from './requirements/demo.ts';
import { testRequirements } from './requirements/test.ts';

/** Everything that prose-ship needs from the machine it runs on. Order: what others need comes first. */
export const requirements: readonly Requirement[] = [...buildRequirements, ...cardsRequirements, ...demoRequirements, ...testRequirements];
