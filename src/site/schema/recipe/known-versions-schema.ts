import { z } from 'zod';
import { serviceName, softwareVersion } from '../words.ts';

/** `knownVersions` of a recipe. */
export const knownVersions = z
  .array(
    z
      .strictObject({
        name: z.string().min(1).describe('What this set is called, such as the version of the whole.'),
        components: z.record(serviceName, softwareVersion).describe('A version for every component.'),
        dataVersion: z.int().min(1).optional().describe('What `data.version` is with these versions; default is the recipe\'s.'),
      })
      .describe('Versions that fit together.'),
  )
  .default([])
  .describe('Which versions of the components are known to fit together, newest last; the recipe\'s own are the last set. A site may choose another set, and no mixture.');
