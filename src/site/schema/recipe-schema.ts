import { z } from 'zod';
import { isRepository } from '../../oci/reference.ts';
import { dnsRecord } from './dns-schema.ts';
import { knownVersions } from './recipe/known-versions-schema.ts';
import { recipeOs } from './os-schema.ts';
import { probe } from './probe-schema.ts';
import { when } from './recipe/condition.ts';
import { recipeData } from './recipe/data-schema.ts';
import { rules, steps } from './recipe/guidance-schema.ts';
import { fileMode, fileOwner, recipeHost } from './recipe/host-schema.ts';
import { include } from './recipe/include-schema.ts';
import { processes } from './recipe/process-schema.ts';
import { profiles } from './recipe/profile-schema.ts';
import { buildArgs, source } from './source-schema.ts';
import { fileName, projectName, semanticVersion, serviceName, softwareVersion, text, variableName, versionRange } from './words.ts';

const repository = text((value) =>
  isRepository(value)
    ? undefined
    : { code: 'E_BAD_REFERENCE', message: 'is not an image repository', remedy: 'Lower-case and without a tag, as in example/server; releases add the tag.' },
);

const component = z
  .strictObject({
    image: repository.describe('Repository of the image, without a tag: `prose-ship/prosody`. Releases add an immutable tag.'),
    version: softwareVersion.describe('Version of the software inside; part of the image tag.'),
    source: source.optional().describe('Build context: a folder, `{git: {url, commit, subdirectory}}` or `{url, sha256}`. Without it, each site gives its own.'),
    dockerfile: z.string().min(1).describe('Dockerfile: a path beside this file, or below `dockerfiles/` of prose-ship.'),
    target: z.string().min(1).optional().describe('Stage of the Dockerfile to build; default is the last.'),
    args: buildArgs.default({}).describe('Build arguments; values may be templates, `{{ component.version }}` among them.'),
    secrets: z
      .record(fileName, variableName)
      .default({})
      .describe('Build secrets: BuildKit\'s id (`RUN --mount=type=secret,id=ID`) and the secret variable with its value.'),
    bases: z.array(z.string().min(1)).default([]).describe('The images that the Dockerfile builds FROM, written as there.'),
    when: when.optional(),
  })
  .describe('One container image.');

export const variableTypes = ['string', 'integer', 'boolean', 'port', 'domain', 'list', 'secret'] as const;

const variable = z
  .strictObject({
    type: z.enum(variableTypes).describe('`list` is a list of strings; `secret` is given by the site\'s `secrets`.'),
    description: z.string().min(1).describe('One sentence for whoever writes a site.'),
    default: z
      .union([z.string(), z.number(), z.boolean(), z.array(z.string())])
      .optional()
      .describe('Value where the site gives none. Texts may be templates over `site`: `groups.{{ site.domain }}`.'),
    required: z.boolean().default(false).describe('The site must give a value. Without it there must be a `default` (a secret may be left out).'),
    minimum: z.number().optional().describe('Smallest integer or port.'),
    maximum: z.number().optional().describe('Largest integer or port.'),
    pattern: z.string().optional().describe('JavaScript regular expression for the whole text, or for each entry of a list.'),
    enum: z.array(z.union([z.string(), z.number()])).min(1).optional().describe('The only values allowed (each entry of a list).'),
    generate: z.boolean().default(false).describe('Of a secret: each host makes one of its own, 32 random bytes in base64url, unless the site gives one.'),
  })
  .describe('A value that a site may set.');
export type VariableDefinition = z.output<typeof variable>;

const file = z
  .strictObject({
    template: z.string().min(1).describe('Path of the template, relative to this file; or below `shared/` of prose-ship\'s recipes.'),
    mode: fileMode.default('0644').describe('Permissions on the host, octal and in quotes.'),
    owner: fileOwner.default('0:0').describe('Owner on the host as UID:GID, in quotes.'),
    when: when.optional(),
  })
  .describe('A file that is rendered into a release; the Compose template mounts it by `{{ \'NAME\' | file }}`.');

const accountCommand = z
  .strictObject({
    command: z.array(z.string()).min(1).describe('Program and arguments. `{jid}`, `{localpart}` and `{domain}` are filled in; the password never.'),
    input: z.string().default('').describe('Standard input; `{password}` is filled in here and nowhere else.'),
  })
  .describe('A command that runs in the service\'s container.');

/** `recipe.yaml`: what to run. */
export const recipeSchema = z
  .strictObject({
    schema: z.literal(1).describe('Format of this file; always 1.'),
    name: projectName.describe('Name of the recipe.'),
    version: semanticVersion.describe('Semantic version of the recipe itself.'),
    description: z.string().min(1).describe('One sentence: what it runs.'),
    include: include.optional(),
    components: z
      .record(serviceName, component)
      .refine((value) => Object.keys(value).length > 0, { error: 'has no entry', params: { code: 'E_MISSING_VALUE', remedy: 'A recipe has at least one component.', hidden: true } })
      .describe('The container images, by name.'),
    knownVersions,
    variables: z.record(variableName, variable).default({}).describe('What a site may set, by name; templates use them as `{{ name }}`.'),
    profiles: profiles.optional(),
    defaultProfile: projectName.optional().describe('The one of `profiles` that holds for sites without `profile`; where there is none, a site must choose.'),
    rules,
    compose: z.string().min(1).default('compose.yaml').describe('Path of the Compose template, relative to this file.'),
    files: z.record(fileName, file).default({}).describe('Rendered files, by name.'),
    dns: z.array(dnsRecord).default([]).describe('What must be in the DNS; `prose-ship dns` prints and checks it. See docs/using/dns.md.'),
    rollout: z
      .strictObject({
        upgradeFrom: versionRange
          .optional()
          .describe("Versions of this recipe that may be running where this one is rolled out: '>=1.2.0'. A host with another one needs an update to a version between first."),
        services: z
          .array(
            z.strictObject({
              name: serviceName.describe('Service of the Compose file.'),
              component: serviceName.describe('Component whose image it runs.'),
              kind: z
                .enum(['daemon', 'oneshot'])
                .default('daemon')
                .describe('`daemon` runs for good. `oneshot` runs to its end, which must be exit status 0, before the next service starts: a migration.'),
              probes: z.array(probe).default([]).describe('What must answer before an update counts as done.'),
              order: z
                .enum(['stop-first', 'start-first'])
                .default('stop-first')
                .describe('`start-first`: the new container must pass its probes beside the old one before that goes. For services without data of their own; docs/recipes/web-services.md.'),
              drainSeconds: z
                .int()
                .min(0)
                .max(300)
                .default(10)
                .describe('With `start-first`: how long the old container may go on with requests that it was answering, in seconds.'),
              restartAfter: z
                .array(serviceName)
                .default([])
                .describe('Services above this one: whenever one of them was replaced or restarted, this one is restarted.'),
              when: when.optional(),
              maintenancePage: fileName.optional().describe('One of `files`: the page that nginx in front shows while an update has stopped this service; docs/recipes/web-services.md.'),
            }),
          )
          .min(1)
          .describe('All services of the Compose file in the order in which they start; they stop the other way round.'),
        timeoutSeconds: z.int().min(1).max(3600).default(180).describe('How long all probes together may take to pass, in seconds; after that the update is rolled back.'),
        soakSeconds: z.int().min(0).max(3600).default(10).describe('How long nothing may restart after the probes have passed, in seconds.'),
      })
      .describe('Order of start and what proves that it works.'),
    processes: processes.optional(),
    data: recipeData,
    accounts: z
      .strictObject({
        service: serviceName.describe('Service in whose container the commands run.'),
        add: accountCommand.describe('Adds an account.'),
        passwd: accountCommand.describe('Changes a password.'),
        list: accountCommand.describe('Prints the accounts, one a line.'),
      })
      .optional()
      .describe('How `prose-ship account` does its work; leave it out where there are no accounts.'),
    host: recipeHost.optional(),
    steps,
    os: recipeOs.optional().describe('What it needs of the system on a card: packages, open ports, the engine.'),
  })
  .describe('What to run: images, Compose file, configuration, probes, data.');
export type RecipeInput = z.output<typeof recipeSchema>;
