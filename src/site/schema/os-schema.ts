import { z } from 'zod';
import { baseName, country, hostname, imageSize, keyboard, locale, loginUser, minimumVersion, packageName, publicKey, ssid, timezone } from './os-words.ts';
import { when } from './recipe/condition.ts';
import { secretSource } from './secret-source.ts';
import { port } from './words.ts';

const protocol = z.enum(['tcp', 'udp']).default('tcp').describe('`tcp` or `udp`.');

const authorizedKey = z
  .union([
    publicKey.describe('A public key, the whole line.'),
    z.strictObject({ file: z.string().min(1).describe('Path of a .pub file, relative to this file; `~/` is your home.') }).describe('From a file.'),
  ])
  .describe('A public key as in a .pub file, or `{file: ~/.ssh/id_ed25519.pub}`.');

const engineRepository = z
  .strictObject({
    repository: z.string().min(1).describe('Address of the repository, or the path of a folder with it; `dists/SUITE/stable` is below.'),
    key: z.string().min(1).describe('Path of the key that signs it, in ASCII armor, relative to this file.'),
  })
  .describe("A mirror of Docker's repository.");

const wifi = z
  .strictObject({
    country: country.describe('Country in whose channels the radio may send: two letters of ISO 3166-1, as in DE.'),
    network: z
      .strictObject({
        ssid: ssid.describe('Name of the network.'),
        passphrase: secretSource.describe('Where the passphrase comes from: `{env: NAME}`, `{file: PATH}` or `{command: [PROGRAM, ARGUMENT]}`; never the passphrase itself.'),
      })
      .optional()
      .describe('Network that the card joins. Its key is in the image: such an image is for you alone.'),
  })
  .describe('Wi-Fi. Leave it out where a cable is used.');

/** `os` of a site: what makes a base system this site's card. */
export const osSettings = z
  .strictObject({
    base: baseName
      .default('raspios-lite')
      .describe('System to build on: `raspios-lite` (current Raspberry Pi OS Lite), `raspios-legacy` (the one before), `debian` (made of Debian packages), an image file, or its URL.'),
    hostname: hostname.optional().describe('Name of the device in its network; default is the site\'s name. It answers as NAME.local.'),
    user: loginUser.default('pi').describe('Login name. It has sudo and no password: only a key gets in.'),
    authorizedKeys: z.array(authorizedKey).min(1).describe('Public keys that may log in: lines of .pub files, or `{file: ~/.ssh/id_ed25519.pub}`. Without one nobody could.'),
    locale: locale.default('C.UTF-8').describe('Language and formats of the system: C.UTF-8, en_GB.UTF-8, ...'),
    keyboard: keyboard.default('us').describe('Keyboard layout, should one ever be plugged in: us, gb, de, ...'),
    timezone: timezone.default('Etc/UTC').describe('Time zone: Europe/Berlin, ...'),
    wifi: wifi.optional().describe('Wi-Fi. Leave it out where a cable is used.'),
    packages: z.array(packageName).default([]).describe('Debian packages to install besides those that a card needs anyway.'),
    ports: z
      .array(z.strictObject({ port: port.describe('Port number.'), protocol }).describe('A port.'))
      .default([])
      .describe('Ports that the firewall opens besides ssh and those of the recipe.'),
    firewall: z.boolean().default(true).describe('Whether the device refuses what nobody asked for.'),
    securityUpdates: z.boolean().default(true).describe('Whether the system installs its security updates by itself; it never restarts by itself.'),
    engine: z
      .union([z.enum(['debian', 'docker']), engineRepository])
      .optional()
      .describe("Whose packages Docker Engine and Compose are: `debian`, `docker` (download.docker.com), or a mirror of that. Default: Debian's; with `raspios-legacy`, whose Debian has no Compose 2, Docker's."),
    preload: z
      .enum(['store', 'archive'])
      .default('store')
      .describe('`store`: containers start at once at first boot, but baking needs a privileged container. `archive`: the first boot loads them.'),
    size: imageSize.optional().describe('Size of the disk image, as in 4GiB; default is as small as possible. The first boot grows it to the card.'),
  })
  .describe('The card: the system that `prose-ship bake` makes around the release.');
export type OsInput = z.output<typeof osSettings>;

/** `os` of a recipe: what it needs of the system below it. */
export const recipeOs = z
  .strictObject({
    packages: z
      .array(
        z.union([
          packageName.describe('Name of a package.'),
          z.strictObject({ name: packageName.describe('Name of a package.'), when: when.optional() }).describe('One that is not always needed.'),
        ]),
      )
      .default([])
      .describe('Debian packages that it needs on the host itself; one that is not always needed as `{name, when}`.'),
    ports: z
      .array(
        z
          .strictObject({
            port: z.union([port, z.string().regex(/\{[{%].*[%}]\}/)]).describe('Port number, or a template that renders to one; a range (`49152-49251`) opens at most 1000 ports, nothing opens none.'),
            protocol,
            when: when.optional(),
          })
          .describe('A port.'),
      )
      .default([])
      .describe('Ports that others must reach; the firewall of a card opens them.'),
    requires: z
      .strictObject({
        engine: minimumVersion.optional().describe("Oldest Docker Engine: '>=24'."),
        compose: minimumVersion.optional().describe("Oldest Docker Compose: '>=2.20'."),
      })
      .default({})
      .describe('What the engine must be able to do: of a card\'s base, and of every host that is updated.'),
  })
  .describe('What it needs of the system on a card.');
