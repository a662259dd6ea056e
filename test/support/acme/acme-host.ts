import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { createContext } from '../../../src/context.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { renderDeployment } from '../../../src/site/render.ts';
import { createThrowawayHost, type ThrowawayHost } from '../hosts/throwaway-host.ts';
import { temporaryDirectory } from '../temporary-directory.ts';

export const directory = 'https://localhost:14000/dir';
/** Of a site named `chat`. */
export const certificatesProgram = '/usr/local/sbin/chat-certificates';
export const token = 'a1b2-c3d4+e5/f6=';
export const providerUrl = 'https://localhost:8443';
const dnsPort = 8053;

export interface PebbleOptions {
  /** How long its certificates are valid. Default: 90 days. */
  readonly validSeconds?: number;
}

/**
 * The internet as a host needs it for certificates, all of it on the host's own loopback: pebble (an ACME server for tests, a
 * Debian package) under an authority that the host does not know yet, and a provider of DNS (dns-provider.py).
 */
export class AcmeHost {
  readonly host: ThrowawayHost;
  /** PEM; for `certificate_server_ca`. */
  readonly authority: string;

  private constructor(host: ThrowawayHost, authority: string) {
    this.host = host;
    this.authority = authority;
  }

  /** Nothing runs yet. */
  static async create(host?: ThrowawayHost): Promise<AcmeHost> {
    const machine = host ?? (await createThrowawayHost({ engine: false }));
    const made = await machine.exec(`set -e; mkdir -p /srv/acme /etc/nginx/conf.d; cd /srv/acme
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 -subj '/CN=Authority of tests' -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.crt
      openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout key -out request
      printf 'subjectAltName=DNS:localhost\\n' >extensions
      openssl x509 -req -days 30 -in request -CA ca.crt -CAkey ca.key -CAcreateserial -extfile extensions -out certificate
      rm -f /etc/nginx/sites-enabled/* /etc/nginx/conf.d/* && rm -rf /etc/letsencrypt`);
    if (made.exitCode !== 0) throw new Error(made.stderr);
    return new AcmeHost(machine, (await machine.exec('cat /srv/acme/ca.crt')).stdout);
  }

  /** Throws for a script that fails. */
  async must(script: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.host.exec(`set -e\n${script}`);
    if (exitCode !== 0) throw new Error(`${script}: ${stdout}${stderr}`);
    return stdout;
  }

  /** Output of a script that must end well. */
  async succeeds(t: ExecutionContext, script: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.host.exec(script);
    t.is(exitCode, 0, stdout + stderr);
    return stdout + stderr;
  }

  /**
   * The certificate that a program shows; `options` are those of openssl s_client. One unlike another, given by its serial
   * number, is waited for at most ten seconds, because a program takes a new one in a moment after it was told.
   */
  async shown(options: string, unlike = ''): Promise<X509Certificate> {
    const certificate = await this.must(`for try in $(seq 100); do
        openssl s_client ${options} </dev/null 2>/dev/null | openssl x509 >/tmp/shown
        [ "$(openssl x509 -noout -serial -in /tmp/shown)" = 'serial=${unlike}' ] || break
        sleep 0.1
      done; cat /tmp/shown`);
    return new X509Certificate(certificate);
  }

  /** What the site's certificates program says of nginx. */
  async complaintsOfNginx(): Promise<string[]> {
    const { stderr } = await this.host.exec(`${certificatesProgram} check`);
    return stderr.split('\n').filter((line) => line.startsWith('nginx'));
  }

  /**
   * From now on the authority asks for a proof of every name again. pebble takes one order in a hundred for proven already even
   * with PEBBLE_AUTHZREUSE=0 (`rand.Intn(100) > percent` in its wfe.go), but none of another account.
   */
  async forgetAccount(): Promise<void> {
    await this.must('rm -rf /etc/letsencrypt/accounts');
  }

  /** The names that have an address, which is that of the host, from now on. */
  async setNames(names: readonly string[]): Promise<void> {
    await this.must(`printf '%s\\n' ${names.join(' ')} >/srv/acme/addresses
      printf '127.0.0.1 localhost\\n' >/etc/hosts; for name in ${names.join(' ')}; do echo "127.0.0.1 $name" >>/etc/hosts; done`);
  }

  /** With `one` TXT record for all names, as DuckDNS keeps it, or with as many as are set. */
  async startProvider(kind: 'one' | 'many'): Promise<void> {
    await writeFile(path.join(this.host.root, 'srv/acme/provider.py'), await readFile(path.join(import.meta.dirname, 'dns-provider.py')));
    await writeFile(path.join(this.host.root, 'srv/acme/token'), token);
    await this.#start('provider', `python3 provider.py ${dnsPort} 8443 key certificate token /srv/acme/asked /srv/acme/addresses ${kind === 'one' ? 'one' : ''}`, 8443);
  }

  /** What the provider was asked, without the token, and who showed that to everybody. */
  async asked(): Promise<string[]> {
    return (await this.must('cat /srv/acme/asked 2>/dev/null || :')).split('\n').filter(Boolean);
  }

  async startPebble({ validSeconds = 90 * 86_400 }: PebbleOptions = {}): Promise<void> {
    const configuration = { listenAddress: '127.0.0.1:14000', managementListenAddress: '127.0.0.1:15000', certificate: 'certificate', privateKey: 'key', httpPort: 80, tlsPort: 443, ocspResponderURL: '', externalAccountBindingRequired: false, certificateValidityPeriod: validSeconds };
    await writeFile(path.join(this.host.root, 'srv/acme/pebble.json'), JSON.stringify({ pebble: configuration }));
    // Every name is asked anew (see `forgetAccount`), at once, and no request is refused for the sake of it.
    await this.#start('pebble', `env PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 PEBBLE_AUTHZREUSE=0 pebble -config pebble.json -dnsserver 127.0.0.1:${dnsPort}`, 14_000);
  }

  async stop(name: 'pebble' | 'provider'): Promise<void> {
    await this.must(`kill "$(cat /srv/acme/${name}.pid)"; while kill -0 "$(cat /srv/acme/${name}.pid)" 2>/dev/null; do sleep 0.05; done`);
  }

  /** Goes on until it is stopped or the host ends. */
  async #start(name: string, command: string, port: number): Promise<void> {
    await this.must(`cd /srv/acme; setsid ${command} </dev/null >${name}.log 2>&1 & echo $! >/srv/acme/${name}.pid`);
    for (const deadline = Date.now() + 20_000; ; ) {
      await delay(50);
      if ((await this.host.exec(['bash', '-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`])).exitCode === 0) return;
      if (Date.now() > deadline) throw new Error(`${name} does not answer: ${await this.must(`cat /srv/acme/${name}.log`)}`);
    }
  }

  /** Lays the host files that a recipe renders for a site named `chat`, as an update does; returns their paths. */
  async layFiles(site: string, recipe = 'prosody'): Promise<string[]> {
    const folder = await temporaryDirectory('acme-site');
    const file = path.join(folder, 'prose-ship.yaml');
    await writeFile(file, `schema: 1\nname: chat\nversion: 1.0.0\nrecipe: ${recipe}\n${site}`);
    const deployment = await loadDeployment(createContext(), file);
    const references = new Map(deployment.recipe.components.map(({ name, repository, version }) => [name, `${repository}:${version}-0123456789ab`]));
    const { hostFiles } = await renderDeployment(deployment, references);
    for (const { path: target, content, mode } of hostFiles) {
      const laid = await this.host.exec(`umask 022; mkdir -p '${path.dirname(target)}' && cat >'${target}' && chmod ${mode.toString(8)} '${target}'`, { input: content });
      if (laid.exitCode !== 0) throw new Error(laid.stderr);
    }
    return hostFiles.map((one) => one.path);
  }
}

/** What nginx shows for a name; for `shown`. */
export const nginx = (name: string) => `-connect 127.0.0.1:443 -servername ${name}`;

export function coveredNames({ subjectAltName = '' }: X509Certificate): string[] {
  return subjectAltName.split(', ').map((name) => name.replace('DNS:', '')).sort();
}

/** Lines of the site's `variables` for this server. */
export function serverVariables({ authority }: AcmeHost): string {
  return `  certificate_server: ${directory}\n  certificate_server_ca: |\n${authority.trimEnd().split('\n').map((line) => `    ${line}\n`).join('')}`;
}
