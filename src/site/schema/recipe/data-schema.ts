import { z } from 'zod';
import { projectName, serviceName } from '../words.ts';
import { when } from './condition.ts';

/** What a recipe says of the data to keep. */
export const recipeData = z
  .strictObject({
    version: z.int().min(1).describe('Raise it when the format of the data changes: then updates copy the data first and rollbacks put it back.'),
    volumes: z
      .array(
        z.union([
          serviceName.describe('A named volume.'),
          z.strictObject({ name: serviceName.describe('A named volume.'), when: when.optional() }).describe('One that is not always there.'),
        ]),
      )
      .describe('Named volumes of the Compose file that hold what must survive; one that is not always there as `{name, when}`.'),
    names: z
      .record(projectName, z.string().min(1))
      .default({})
      .describe('Names under which the software keeps its data, as templates: `{domain: \'{{ site.domain }}\'}`. An update that changes one would find none of the data, so it is refused unless `rename` can rename it. A text that renders to nothing is no name.'),
    rename: z
      .strictObject({
        service: serviceName.describe('Service in whose image, with whose volumes, the command runs.'),
        command: z.array(z.string().min(1)).min(1).describe('Program and arguments. `OLD=NEW` is added for each name that both releases have, changed or not.'),
      })
      .optional()
      .describe('Renames the data, while nothing runs and after it was copied: `prose-ship update --rename-domain`.'),
    renameImpossible: z.string().default('').describe('Why data cannot be renamed, and what to do by hand; a template. Where it renders to nothing, `rename` holds.'),
  })
  .default({ version: 1, volumes: [], names: {}, renameImpossible: '' })
  .describe('The data to keep.');
