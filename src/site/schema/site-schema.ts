import { z } from 'zod';
import { osSettings } from './os-schema.ts';
import { retention } from './retention-schema.ts';
import { secretSource } from './secret-source.ts';
import { buildArgs, source } from './source-schema.ts';
import { domainName, fileName, hostAddress, platformName, port, projectName, semanticVersion, serviceName, softwareVersion, userName, variableName } from './words.ts';

const host = z
  .union([
    hostAddress.describe('What `ssh` takes: a name, an address or an alias of your ssh_config, `user@` before it if you like.'),
    z
      .strictObject({
        address: hostAddress.describe('Name, address or alias of your ssh_config.'),
        user: userName.optional().describe('Login name; the default is what ssh_config says.'),
        port: port.optional().describe('SSH port; the default is what ssh_config says.'),
      })
      .describe('With user and port.'),
  ])
  .describe('A device reached over SSH.');

const componentOverride = z
  .strictObject({
    version: softwareVersion.optional().describe('Version of the software inside; part of the image tag.'),
    source: source.optional().describe('Build context in place of the recipe\'s: a folder, `{git: {url, commit, subdirectory}}` or `{url, sha256}`.'),
    args: buildArgs.optional().describe('Build arguments, added to those of the recipe.'),
  })
  .describe('What this site changes about a component of the recipe.');

const signing = z
  .strictObject({
    key: z.string().min(1).describe('SSH key that signs: path of a private key, or of a .pub file whose private half is in the agent; relative to this file, `~/` is your home.'),
  })
  .describe('How `prose-ship release` signs; `--sign KEY` names another key, `--no-sign` signs nothing.');

/** `prose-ship.yaml`: one installation of a recipe. */
export const siteSchema = z
  .strictObject({
    schema: z.literal(1).describe('Format of this file; always 1.'),
    name: projectName.describe('Name of the installation: lower-case letters, digits and hyphens. Also the Compose project on the host, so keep it.'),
    version: semanticVersion.describe('Semantic version of the next release; raise it when something changes.'),
    recipe: z.string().min(1).describe('What to run: the name of a built-in recipe, or the path of a recipe of your own (its folder or its recipe.yaml).'),
    profile: projectName.optional().describe('Which way to use the recipe: the name of one of its `profiles`, where it has any.'),
    domain: domainName.describe('The domain of the chat addresses: `example.org` in `anna@example.org`.'),
    platforms: z
      .array(platformName)
      .min(1)
      .default(['linux/arm/v7', 'linux/arm64'])
      .describe('Platforms to build for: linux/arm/v7 (32-bit Raspberry Pi OS), linux/arm64 (64-bit).'),
    variables: z
      .record(variableName, z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]))
      .default({})
      .describe('Values for the variables of the recipe, by name.'),
    secrets: z
      .record(fileName, secretSource)
      .default({})
      .describe('Where the values of the recipe\'s secret variables come from, by name; never the values themselves.'),
    hosts: z.record(serviceName, host).default({}).describe('The devices, by a name of your choice.'),
    transport: z
      .enum(['sftp', 'registry'])
      .default('sftp')
      .describe('How images get to the hosts: `sftp` sends archives without the layers that a host has; `registry` lets its engine pull them through the SSH login.'),
    components: z.record(serviceName, componentOverride).default({}).describe('Changes to components of the recipe, by name.'),
    retention: retention.optional(),
    signing: signing.optional().describe('How releases are signed. Leave it out where they are not, or where `--sign KEY` tells.'),
    allowedSigners: z
      .string()
      .min(1)
      .optional()
      .describe('File that lists who may sign releases (`ssh-keygen`\'s allowed signers), relative to this file. Hosts that got it refuse every other release.'),
    os: osSettings.optional().describe('The card: the system that `prose-ship bake` makes around the release. Leave it out where hosts have a system already.'),
  })
  .describe('One installation of a recipe: its domain, its values, its devices.');
export type SiteInput = z.output<typeof siteSchema>;
