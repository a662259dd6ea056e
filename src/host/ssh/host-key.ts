import type { ServerHostKeyAlgorithm } from 'ssh2';
import { ExitStatus, ShipError, type Place, formatPlace } from '../../errors.ts';
import type { SshSettings } from './config.ts';
import {
  type HostKey,
  type KnownHost,
  appendKnownHost,
  checkHostKey,
  fingerprint,
  knownHostName,
  knownKeyTypes,
  readKnownHosts,
} from './known-hosts.ts';

/** A host key that known_hosts does not hold yet. */
export interface HostKeyQuestion {
  /** `example.org` or `[example.org]:2222`: as known_hosts spells it. */
  readonly host: string;
  /** `ssh-ed25519` */
  readonly type: string;
  /** `SHA256:...`, as OpenSSH prints it. */
  readonly fingerprint: string;
}

/** What to do about an unknown host key. Without either the connection is refused; a changed key is refused always. */
export interface HostKeyPolicy {
  /** `SHA256:...`: a host key with this fingerprint is stored in known_hosts and trusted. */
  readonly acceptHostKey?: string;
  /** Asks the user; a yes stores the key. */
  readonly confirmHostKey?: (question: HostKeyQuestion) => Promise<boolean>;
}

/** E_HOST_KEY_UNKNOWN with the key, so that the caller may ask and come back. */
export class UnknownHostKeyError extends ShipError {
  readonly key: HostKey;
  readonly question: HostKeyQuestion;

  constructor(key: HostKey, question: HostKeyQuestion, details: ConstructorParameters<typeof ShipError>[0]) {
    super(details);
    this.key = key;
    this.question = question;
  }
}

/** Algorithms that ssh2 verifies host keys with; RSA with SHA-1 only where ssh_config asks for it. */
const supportedAlgorithms: readonly ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
  'ssh-rsa',
];

/** What known_hosts says about one host, and what follows from it. */
export class HostKeyVerifier {
  readonly #settings: SshSettings;
  #entries: readonly KnownHost[];
  /** As known_hosts spells the host. */
  readonly host: string;

  private constructor(settings: SshSettings, entries: readonly KnownHost[]) {
    this.#settings = settings;
    this.#entries = entries;
    this.host = settings.hostKeyAlias ?? knownHostName(settings.hostname, settings.port);
  }

  static async read(settings: SshSettings): Promise<HostKeyVerifier> {
    const files = [...settings.userKnownHostsFiles, ...settings.globalKnownHostsFiles];
    return new HostKeyVerifier(settings, await readKnownHosts(files));
  }

  /** ssh_config's order, but types that are known first: else a host would seem unknown by its other key. */
  algorithms(): ServerHostKeyAlgorithm[] {
    const types = knownKeyTypes(this.#entries, this.host);
    const isKnown = (algorithm: string) => types.has(algorithm.startsWith('rsa-sha2-') ? 'ssh-rsa' : algorithm);
    const allowed = this.#settings.hostKeyAlgorithms.filter(isSupported);
    return [...allowed.filter(isKnown), ...allowed.filter((algorithm) => !isKnown(algorithm))];
  }

  /** The error that a key deserves, or undefined when the key is known. StrictHostKeyChecking cannot soften it. */
  check(key: HostKey): ShipError | undefined {
    const verdict = checkHostKey(this.#entries, this.host, key);
    const shown = fingerprint(key.blob);
    switch (verdict.status) {
      case 'known':
        return undefined;
      case 'unknown':
        return this.#unknown(key, shown, verdict);
      case 'changed':
        return new ShipError({
          code: 'E_HOST_KEY_CHANGED',
          message: `The host key of ${this.host} has changed to ${key.type} ${shown}: someone may be in between, or the host was set up anew`,
          remedy: `Make sure which it is. Only then remove line ${verdict.place.line ?? '?'} of ${verdict.place.file} and connect again.`,
          place: verdict.place,
          exitStatus: ExitStatus.preflight,
        });
      case 'revoked':
        return new ShipError({
          code: 'E_HOST_KEY_REVOKED',
          message: `The host key of ${this.host} is marked as revoked: ${key.type} ${shown}`,
          remedy: 'Do not use this host before its key is replaced.',
          place: verdict.place,
          exitStatus: ExitStatus.preflight,
        });
    }
  }

  /** From now on the key is known; it is put into the user's first known_hosts file, if ssh_config has one. */
  async accept(key: HostKey): Promise<void> {
    const [file] = this.#settings.userKnownHostsFiles;
    if (file !== undefined) await appendKnownHost(file, this.host, key, { hashed: this.#settings.hashKnownHosts });
    this.#entries = [...this.#entries, { hosts: this.host, key, place: { file: file ?? '' } }];
  }

  #unknown(key: HostKey, shown: string, found: { otherTypes?: Place; authority?: Place }): ShipError {
    const notes = [
      ...(found.otherTypes ? [`a key of another type is known (${formatPlace(found.otherTypes)}), which the host did not show`] : []),
      ...(found.authority ? [`the certificate authority of ${formatPlace(found.authority)} is not supported`] : []),
      ...(['no', 'false', 'off', 'accept-new'].includes(this.#settings.strictHostKeyChecking)
        ? [`StrictHostKeyChecking ${this.#settings.strictHostKeyChecking} of ssh_config is not followed`]
        : []),
    ];
    const question = { host: this.host, type: key.type, fingerprint: shown };
    return new UnknownHostKeyError(key, question, {
      code: 'E_HOST_KEY_UNKNOWN',
      message: `The host key of ${this.host} is not known: ${key.type} ${shown}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`,
      remedy: `Compare the fingerprint with the host's own (\`ssh-keygen -lf\` there), then add --accept-host-key ${shown}, or connect once by ssh.`,
      exitStatus: ExitStatus.preflight,
    });
  }
}

function isSupported(algorithm: string): algorithm is ServerHostKeyAlgorithm {
  return (supportedAlgorithms as readonly string[]).includes(algorithm);
}
