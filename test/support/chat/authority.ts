import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../run-program.ts';

export interface Issued {
  readonly privateKey: string;
  /** With the chain up to the authority. */
  readonly fullChain: string;
}

/** An authority for a test, in a folder of its own: what it signs is good for those who trust `certificateFile`. */
export class Authority {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  get certificateFile(): string {
    return path.join(this.#directory, 'ca.crt');
  }

  static async create(parent: string): Promise<Authority> {
    const authority = new Authority(await mkdtemp(path.join(parent, 'authority-')));
    await authority.#openssl([...newKey, '-x509', '-days', '30', '-subj', '/CN=Authority of a test', '-keyout', 'ca.key', '-out', 'ca.crt', '-addext', 'keyUsage=critical,keyCertSign']);
    return authority;
  }

  async issue(names: readonly string[]): Promise<Issued> {
    const extensions = `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=critical,digitalSignature\n`;
    await writeFile(path.join(this.#directory, 'extensions'), extensions);
    await this.#openssl([...newKey, '-subj', '/CN=server', '-keyout', 'leaf.key', '-out', 'request']);
    const { stdout } = await this.#openssl(['x509', '-req', '-sha256', '-days', '20', '-in', 'request', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'extensions']);
    return { privateKey: await this.#read('leaf.key'), fullChain: `${stdout}${await this.#read('ca.crt')}` };
  }

  async #openssl(args: readonly string[]): Promise<{ stdout: string }> {
    const { code, stdout, stderr } = await run('sh', ['-c', 'cd "$0" && exec openssl "$@"', this.#directory, ...args]);
    if (code !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`);
    return { stdout };
  }

  async #read(name: string): Promise<string> {
    return readFile(path.join(this.#directory, name), 'utf8');
  }
}

const newKey = ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-sha256'];
