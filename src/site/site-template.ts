import type { SiteInput } from './schema/site-schema.ts';

export interface SiteAnswers {
  readonly name: string;
  readonly domain: string;
  /** A built-in recipe or a path, as the site file takes it. */
  readonly recipe: string;
  /** One of the recipe's profiles, where it has any. */
  readonly profile?: string;
  /** All of them, shown as comments. */
  readonly profiles?: readonly RecipeProfile[];
  readonly version?: string;
  readonly platforms?: readonly string[];
  readonly hosts?: SiteInput['hosts'];
  /** The recipe's variables, shown as comments with their defaults; see `recipeVariables`. */
  readonly variables?: readonly RecipeVariable[];
}

/** A way to use a recipe. */
export interface RecipeProfile {
  readonly name: string;
  readonly description: string;
  /** Whether it holds for sites that choose none. */
  readonly isDefault?: boolean;
}

/** A variable of a recipe, for people who are about to set it. */
export interface RecipeVariable {
  readonly name: string;
  readonly type: string;
  readonly description: string;
  readonly default?: unknown;
  readonly required: boolean;
}

/** The annotated `prose-ship.yaml` that `init` writes: every key is there or explained. */
export function siteTemplate(answers: SiteAnswers): string {
  const { name, domain, recipe, version = '1.0.0', platforms = ['linux/arm/v7', 'linux/arm64'], hosts = {}, variables = [], profile, profiles = [] } = answers;
  const fill = (value: unknown) => JSON.stringify(value).replaceAll('{{ site.domain }}', domain).replaceAll('{{ site.name }}', name);
  const plain = variables.filter(({ type }) => type !== 'secret');
  const secrets = variables.filter(({ type }) => type === 'secret');
  return `# One installation of a chat server. \`prose-ship check\` tells what is wrong with this file; docs/reference/site.md has every key.
schema: 1

# Names the installation, its releases and the Compose project on the host. Keep it: data belongs to this name.
name: ${quote(name)}

# Version of the next release. Raise it when something changes.
version: ${quote(version)}

# What to run: a recipe that comes with prose-ship, or the path of one of your own (./my-recipe).
recipe: ${quote(recipe)}

# Which way to use the recipe, where it knows several.${profiles.map((one) => `\n#   ${one.name}: ${one.description}`).join('')}
${profile === undefined ? `# profile: ${profiles.find(({ isDefault }) => isDefault)?.name ?? 'public'}` : `profile: ${quote(profile)}`}

# The part after the @ of the chat addresses. Accounts belong to it, so it cannot be changed later.
domain: ${quote(domain)}

# Which computers to build for: linux/arm/v7 is 32-bit Raspberry Pi OS, linux/arm64 is 64-bit.
platforms: [${platforms.map(quote).join(', ')}]

# Values for the variables of the recipe. Commented out are the defaults.
${section('variables', plain, fill)}

# Where secrets come from; never the values themselves. Three ways:
#   smtp_password: {env: SMTP_PASSWORD}
#   smtp_password: {file: ~/.config/prose-ship/smtp_password}
#   smtp_password: {command: [op, read, op://vault/smtp/password]}
${section('secrets', secrets, fill)}

# The devices, by names of your choice: what \`ssh\` takes, or {address, user, port}.
#   kitchen: pi@raspberrypi.local
#   cellar: {address: 192.168.1.20, user: pi, port: 2222}
hosts:${Object.keys(hosts).length === 0 ? ' {}' : Object.entries(hosts).map(([host, value]) => `\n  ${quote(host)}: ${hostText(value)}`).join('')}

# How images get to them: sftp sends archives, registry lets the engine there pull what it lacks through the login.
# transport: sftp

# How many releases hosts keep with their images, and how much of the disk those may take; older ones go after an update.
# retention: {releases: 3, diskBudget: 4GiB}

# Changes to images of the recipe: another version, another source, more build arguments.
#   server:
#     version: 13.0.2
#     source: {git: {url: https://git.example.org/server.git, commit: 0123456789abcdef0123456789abcdef01234567}}
#     args: {FEATURES: extra}
components: {}

# The SSH key that signs releases, and the list of those who may: hosts that got it refuse every other release.
# signing: {key: ~/.ssh/release_ed25519}
# allowedSigners: allowed_signers

# The card that \`prose-ship bake\` makes: a system with this release in it. Only those with one of the keys get in.
# os:
#   authorizedKeys: [{file: ~/.ssh/id_ed25519.pub}]
#   user: pi
#   timezone: Europe/Berlin
#   wifi: {country: DE, network: {ssid: My network, passphrase: {env: WIFI_PASSPHRASE}}}
`;
}

function section(key: string, variables: readonly RecipeVariable[], fill: (value: unknown) => string): string {
  const open = variables.filter(({ required }) => required);
  const lines = variables.map(({ name, type, description, required, default: value }) =>
    type === 'secret'
      ? `  # ${description}\n  ${required ? '' : '# '}${name}: {env: ${name.toUpperCase()}}`
      : `  # ${description} (${type})\n  ${required ? `${name}:` : `# ${name}: ${fill(value)}`}`,
  );
  return [`${key}:${open.length === 0 ? ' {}' : ''}`, ...lines].join('\n');
}

function hostText(host: SiteInput['hosts'][string]): string {
  if (typeof host === 'string') return quote(host);
  return `{${Object.entries(host).map(([key, value]) => `${key}: ${typeof value === 'number' ? value : quote(String(value))}`).join(', ')}}`;
}

/** Plain where YAML reads it as that very text, else in JSON's quotes, which are YAML's too. */
function quote(text: string): string {
  const plain = /^[A-Za-z./~][A-Za-z0-9._/@~-]*$|^\d+\.\d+\.\d+[\w.-]*$/.test(text) && !/^(?:true|false|null|~|yes|no|on|off|\.inf|\.nan)$/i.test(text);
  return plain ? text : JSON.stringify(text);
}
