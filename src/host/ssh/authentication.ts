import { readFile } from 'node:fs/promises';
import ssh2, {
  type AnyAuthMethod,
  type AuthHandlerMiddleware,
  type IdentityCallback,
  type ParsedKey,
  type SignCallback,
  type SigningRequestOptions,
} from 'ssh2';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { SshSettings } from './config.ts';

/**
 * What is offered to the host: the agent's keys, key files, and at last nothing, as ssh does at first; where a key is what counts
 * that would cost a round trip. Passwords are never asked for.
 */
export class Authentication {
  readonly #settings: SshSettings;
  readonly #methods: readonly AnyAuthMethod[];
  /** What the error says was tried, and what could not be. */
  readonly #notes: string[];
  readonly #encryptedFile: string | undefined;
  #accepted: readonly string[] = [];

  private constructor(settings: SshSettings, methods: AnyAuthMethod[], notes: string[], encryptedFile: string | undefined) {
    this.#settings = settings;
    this.#methods = methods;
    this.#notes = notes;
    this.#encryptedFile = encryptedFile;
  }

  static async prepare(settings: SshSettings): Promise<Authentication> {
    const username = settings.user;
    const methods: AnyAuthMethod[] = [];
    const notes: string[] = [];
    const identities = await Promise.all(settings.identityFiles.map(readIdentity));

    if (settings.identityAgent !== undefined) {
      const preferred = identities.flatMap(({ publicKey }) => (publicKey ? [publicKey] : []));
      const agent = new OrderedAgent(settings.identityAgent, preferred, settings.identitiesOnly, notes);
      methods.push({ type: 'agent', username, agent });
    }
    let encryptedFile: string | undefined;
    for (const { file, key, problem } of identities) {
      if (key) {
        methods.push({ type: 'publickey', username, key });
        notes.push(file);
      } else if (problem === 'encrypted') {
        encryptedFile ??= file;
        notes.push(`not ${file}, which has a passphrase`);
      } else if (problem !== undefined) {
        notes.push(`not ${file}: ${problem}`);
      }
    }
    methods.push({ type: 'none', username });
    return new Authentication(settings, methods, notes, encryptedFile);
  }

  /** For ssh2's `authHandler`; a new one for every attempt. */
  handler(): AuthHandlerMiddleware {
    const remaining = [...this.#methods];
    return (accepted: readonly string[] | null, _partial, next) => {
      if (accepted) this.#accepted = accepted;
      const method = remaining.shift();
      // ssh2 takes `false` for "no more", which its types do not know.
      next(method ?? (false as unknown as AnyAuthMethod));
    };
  }

  /** @param detail what the host said as it hung up */
  failure(host: string, detail?: string): ShipError {
    const { user } = this.#settings;
    const tried = this.#notes.length > 0 ? `tried ${this.#notes.join(', ')}` : 'there is no key to try';
    const accepts = this.#accepted.length > 0 ? `; the host accepts ${this.#accepted.join(', ')}` : '';
    return new ShipError({
      code: 'E_AUTHENTICATION',
      message: `${host} does not let '${user}' in: ${tried}${accepts}`,
      remedy: this.#encryptedFile
        ? `Load the key into an agent: \`ssh-add ${this.#encryptedFile}\`. prose-ship asks for no passphrases and no passwords.`
        : `Put your public key there (\`ssh-copy-id ${user}@${this.#settings.hostname}\`) or name the right user. prose-ship logs in by keys only.`,
      ...(detail ? { output: detail } : {}),
      exitStatus: ExitStatus.preflight,
    });
  }
}

interface Identity {
  readonly file: string;
  /** Of `FILE.pub`, or of the private key. */
  readonly publicKey?: Buffer;
  readonly key?: ParsedKey;
  /** `encrypted`, or why the key cannot be used; absent where there is no file. */
  readonly problem?: string;
}

async function readIdentity(file: string): Promise<Identity> {
  const parse = async (name: string) => {
    try {
      return ssh2.utils.parseKey(await readFile(name));
    } catch (error) {
      return error as NodeJS.ErrnoException;
    }
  };
  const publicPart = await parse(`${file}.pub`);
  const known = publicPart instanceof Error ? {} : { publicKey: publicPart.getPublicSSH() };
  const key = await parse(file);
  if (!(key instanceof Error)) {
    // IdentityFile may name a public key whose private half only the agent has.
    return key.isPrivateKey() ? { file, publicKey: key.getPublicSSH(), key } : { file, publicKey: key.getPublicSSH() };
  }
  if ((key as NodeJS.ErrnoException).code === 'ENOENT') return { file, ...known };
  return { file, ...known, problem: /encrypted/i.test(key.message) ? 'encrypted' : key.message };
}

/**
 * An agent that offers the configured keys first, for hosts count attempts (MaxAuthTries), and only them with
 * IdentitiesOnly. An agent that does not answer has no keys; ssh2 by itself would end the login.
 */
class OrderedAgent extends ssh2.BaseAgent<ParsedKey> {
  readonly #agent: ssh2.BaseAgent<ParsedKey>;
  readonly #socket: string;
  readonly #preferred: readonly Buffer[];
  readonly #only: boolean;
  readonly #notes: string[];

  constructor(socket: string, preferred: readonly Buffer[], only: boolean, notes: string[]) {
    super();
    this.#agent = ssh2.createAgent(socket) as ssh2.BaseAgent<ParsedKey>; // which parses the keys that it lists
    this.#socket = socket;
    this.#preferred = preferred;
    this.#only = only;
    this.#notes = notes;
  }

  override getIdentities(callback: IdentityCallback<ParsedKey>): void {
    this.#agent.getIdentities((error, keys) => {
      if (error) {
        this.#notes.unshift(`not the agent at ${this.#socket}: ${error.message}`);
        callback(null, []);
        return;
      }
      const all = (keys ?? []) as ParsedKey[];
      const isPreferred = (key: ParsedKey) => this.#preferred.some((blob) => key.getPublicSSH().equals(blob));
      const offered = [...all.filter(isPreferred), ...(this.#only ? [] : all.filter((key) => !isPreferred(key)))];
      this.#notes.unshift(`${offered.length} of ${all.length} keys of the agent at ${this.#socket}`);
      callback(null, offered);
    });
  }

  override sign(key: ParsedKey, data: Buffer, options: SigningRequestOptions | SignCallback, callback?: SignCallback): void {
    if (typeof options === 'function') this.#agent.sign(key, data, options);
    else this.#agent.sign(key, data, options, callback);
  }
}
