import type { Platform } from '../oci/platform.ts';
import type { Secret } from '../secret.ts';
import type { AllowedSigners } from './allowed-signers.ts';
import type { DnsRecord } from './dns/record.ts';
import type { HostPolicy } from './host/host-policy.ts';
import type { ProcessPolicy } from './host/process-policy.ts';
import type { FileTemplate } from './template/file-template.ts';

/**
 * What the rest of the program sees of a site file and its recipe: loaded, validated, defaults filled in, paths absolute.
 * `load.ts` makes it; nothing below reads YAML.
 */
export interface Deployment {
  readonly site: Site;
  readonly recipe: Recipe;
  /** Every variable of the recipe with the site's value or the default; secrets are `Secret`. */
  readonly variables: Readonly<Record<string, VariableValue>>;
}

export type VariableValue = string | number | boolean | readonly string[] | Secret;

export interface Site {
  /** Absolute path of the site file. */
  readonly file: string;
  /** Lower-case name; also the Compose project's. */
  readonly name: string;
  /** Semantic version of the next release. */
  readonly version: string;
  readonly domain: string;
  /** Of the recipe's profiles, where it has any. */
  readonly profile?: string;
  readonly platforms: readonly Platform[];
  readonly hosts: readonly Host[];
  /** Its hosts have no engine, and nobody is root there; absent: Docker. */
  readonly engine?: 'none';
  /** Variables for which free ports of a host are looked for. */
  readonly portVariables?: readonly string[];
  /** Absent: hosts keep everything until they are told to prune. */
  readonly retention?: RetentionPolicy;
  /** How images get there; default: `sftp`. */
  readonly transport?: 'sftp' | 'registry';
  /** The card that `bake` makes; absent where the site describes none. */
  readonly os?: OsSettings;
  /** How its releases are signed. */
  readonly signing?: {
    /** Absolute path of a private key, or of a public one whose private half an agent holds. */
    readonly key: string;
  };
  /** Who may sign its releases; hosts and cards get the file. */
  readonly allowedSigners?: AllowedSigners;
}

/** What a host keeps of the releases that ran there. */
export interface RetentionPolicy {
  /** At least 2: the current and the previous one. */
  readonly releases: number;
  /** Of all kept releases together, images included; absent: no limit. */
  readonly diskBudgetBytes?: number;
}

/** What turns a base system into this site's card; what the recipe adds is in it. */
export interface OsSettings {
  /** 'debian', 'raspios-lite', 'raspios-legacy', an absolute path, or an http(s) URL. */
  readonly base: string;
  readonly hostname: string;
  readonly user: string;
  /** Whole lines of authorized_keys; at least one. */
  readonly authorizedKeys: readonly string[];
  readonly locale: string;
  /** XKB layout. */
  readonly keyboard: string;
  readonly timezone: string;
  readonly wifi?: WifiSettings;
  /** Debian packages of recipe and site besides those that every card has; sorted. */
  readonly packages: readonly string[];
  /** Open in the firewall besides ssh; those of recipe and site. */
  readonly ports: readonly OpenPort[];
  readonly firewall: boolean;
  readonly securityUpdates: boolean;
  readonly preload: 'store' | 'archive';
  /** Whose packages the engine and Compose are; absent: Debian's, where the base has ones that do. */
  readonly engine?: 'debian' | 'docker' | EngineRepository;
  /** Of the disk image; default: as small as its content allows. */
  readonly sizeBytes?: number;
  /** What the recipe needs of the base's engine. */
  readonly requires: EngineRequirements;
  /** The card's file of allowed signers, where the site has one. */
  readonly allowedSigners?: string;
}

/** A repository laid out as Docker's, `dists/SUITE/stable`. */
export interface EngineRepository {
  /** Its address, or the absolute path of a folder, which is only used while the card is made. */
  readonly repository: string;
  /** Absolute path of the key that signs it, in ASCII armor. */
  readonly key: string;
}

export interface WifiSettings {
  /** ISO 3166-1 alpha-2, for the regulatory domain. */
  readonly country: string;
  readonly network?: { readonly ssid: string; readonly passphrase: Secret };
}

export interface OpenPort {
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
}

/** Oldest versions that do, three numbers each; absent: any. */
export interface EngineRequirements {
  readonly engine?: string;
  readonly compose?: string;
}

/** A device reached over SSH; `address` is anything `ssh` takes, ssh_config aliases included. */
export interface Host {
  readonly name: string;
  readonly address: string;
  readonly user?: string;
  readonly port?: number;
  /** Everything is the login user's there; absent: Docker, and root. */
  readonly engine?: 'none';
}

export interface Recipe {
  /** Absolute path of recipe.yaml; its folder holds the templates. */
  readonly file: string;
  readonly directory: string;
  readonly name: string;
  readonly version: string;
  readonly components: readonly Component[];
  /** Absolute path of the Compose template. */
  readonly composeTemplate: string;
  readonly files: readonly FileTemplate[];
  readonly rollout: RolloutPolicy;
  /** What must be in the DNS; absent where the recipe names nothing. */
  readonly dns?: readonly DnsRecord[];
  /** What a host's engine must be able to do: `os.requires` of the recipe, for hosts as well as for cards. */
  readonly requires: EngineRequirements;
  /** Named volumes of the Compose file that hold what must survive. */
  readonly data: DataPolicy;
  readonly accounts?: AccountCommands;
  /** What stands on the host itself, outside containers. */
  readonly host?: HostPolicy;
  /** Debian packages that it needs on the host itself; sorted. */
  readonly packages?: readonly string[];
  /** How its services run where there is no engine; absent: with one. */
  readonly processes?: readonly ProcessPolicy[];
  /** What a person must do, with the site's values. */
  readonly steps?: readonly Step[];
}

/** Something that no program can do, and how it is done. */
export interface Step {
  readonly title: string;
  /** Lines of text, without one at the end. */
  readonly text: string;
}

/** One container image. */
export interface Component {
  readonly name: string;
  /** Repository of the image without a tag: `prose-ship/prosody`. Releases add an immutable tag. */
  readonly repository: string;
  /** Version of the software inside. */
  readonly version: string;
  readonly source: Source;
  /** Absolute path; overlay Dockerfiles stand in dockerfiles/ of this repository or beside the recipe. */
  readonly dockerfile: string;
  readonly target?: string;
  readonly args: Readonly<Record<string, string>>;
  /** Build secrets by BuildKit's id. */
  readonly secrets: Readonly<Record<string, Secret>>;
  /** The FROM references that the bases provider must supply: `debian:trixie-slim`. */
  readonly bases: readonly string[];
}

/** Where the build context comes from. */
export type Source =
  | { readonly kind: 'local'; readonly directory: string }
  | { readonly kind: 'git'; readonly url: string; readonly commit: string; readonly subdirectory?: string }
  | { readonly kind: 'url'; readonly url: string; readonly sha256: string };

export interface RolloutPolicy {
  /** Which versions of the recipe may run where this one is rolled out: a range in the manner of npm; absent: any. */
  readonly upgradeFrom?: string;
  /** Compose services in the order in which they start; they stop in the reverse order. */
  readonly services: readonly ServicePolicy[];
  /** The gate fails when the probes have not all passed after this time. */
  readonly timeoutSeconds: number;
  /** After the probes passed, nothing may restart for this long. */
  readonly soakSeconds: number;
}

export interface ServicePolicy {
  readonly name: string;
  readonly component: string;
  /** Runs to its end, with exit status 0, before the next service starts; absent: runs for good. */
  readonly kind?: 'oneshot';
  readonly probes: readonly Probe[];
  /** Present: the new container is proven beside the old one before that goes; absent: the old one stops first. */
  readonly startFirst?: StartFirstPolicy;
  /** Services whose replacement, or restart, restarts this one. */
  readonly restartAfter?: readonly string[];
  /** Name of the rendered file that the proxy in front shows while this service is stopped. */
  readonly maintenancePage?: string;
}

export interface StartFirstPolicy {
  /** How long the old container may go on answering what it had begun to. */
  readonly drainSeconds: number;
}

/** Asked from the device itself; `host` is an address of the device, nearly always 127.0.0.1. */
export type Probe =
  | { readonly type: 'tcp'; readonly host: string; readonly port: number }
  | { readonly type: 'http'; readonly url: string; readonly status: number; readonly json?: JsonExpectation }
  | {
      readonly type: 'tls';
      readonly host: string;
      readonly port: number;
      readonly starttls: 'none' | 'xmpp' | 'smtp';
      /** What the certificate must cover, and the server name (SNI) that is asked for. */
      readonly name: string;
      readonly minimumDays: number;
      /** Whether the device must trust the chain. */
      readonly trusted: boolean;
    }
  /** Stream header, STARTTLS, TLS, and SASL mechanisms offered inside it (RFC 6120 sections 4 to 6). */
  | { readonly type: 'xmpp'; readonly host: string; readonly port: number; readonly domain: string }
  /** Runs in the service's container; exit status 0 passes. */
  | { readonly type: 'command'; readonly command: readonly string[] };

/** One field of a JSON answer, compared as text. */
export interface JsonExpectation {
  /** Keys and positions with dots between them. */
  readonly path: string;
  readonly equals: string;
}

export interface DataPolicy {
  /** Raised by the recipe when the data's format changes: only then is data copied before an update and put back by a rollback. */
  readonly version: number;
  readonly volumes: readonly string[];
  /** Under which names the software keeps it, by key: `domain`. Absent: the recipe tells none. */
  readonly names?: Readonly<Record<string, string>>;
  /** Renames it, with `OLD=NEW` for each name as further arguments; absent: nothing can. */
  readonly rename?: DataRename;
  /** Why nothing can. */
  readonly renameImpossible?: string;
}

export interface DataRename {
  readonly service: string;
  readonly command: readonly string[];
}

/** Commands in a service's container; `{jid}` and `{password}` are filled in, the password on standard input only. */
export interface AccountCommands {
  readonly service: string;
  readonly add: AccountCommand;
  readonly passwd: AccountCommand;
  readonly list: AccountCommand;
}

export interface AccountCommand {
  readonly command: readonly string[];
  readonly input: string;
}
