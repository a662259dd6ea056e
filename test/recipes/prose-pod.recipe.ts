import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import { parse, stringify } from 'yaml';
import { blobPath, readLayout } from '../../src/oci/layout.ts';
import { formatPlatform } from '../../src/oci/platform.ts';
import { createArmHost, environmentOf } from '../support/chat/prosody-releases.ts';
import { proseShip } from '../support/command-line.ts';
import type { ThrowawayHost } from '../support/hosts/throwaway-host.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/**
 * The recipe prose-pod with the stand-ins of test/stand-ins/prose-pod: cross-compiled for both kinds of Raspberry Pi, then run
 * on a throw-away host, whose arm64 containers are emulated. Needs what the pipeline's tests need.
 */
const standIns = path.resolve(import.meta.dirname, '../stand-ins/prose-pod');
const golden = path.resolve(import.meta.dirname, '../fixtures/site/golden/prose-pod');
const commit = '0123456789abcdef0123456789abcdef01234567';
const services = ['server', 'api', 'dashboard', 'web'] as const;

let directory: string;
let pi: ThrowawayHost;

interface SiteFile {
  version: string;
  variables: Record<string, unknown>;
  components: Record<string, { source: string; args: Record<string, string> }>;
}

async function makeRelease(version: string, change?: (site: SiteFile) => void): Promise<string> {
  const site = parse(await readFile(path.join(standIns, 'prose-ship.yaml'), 'utf8')) as SiteFile;
  site.version = version;
  // The emulator's own memory counts, too. Nothing is put on the host itself: it has no systemd.
  Object.assign(site.variables, { proxy: false, server_megabytes: 512, api_megabytes: 256, page_megabytes: 192 });
  for (const component of Object.values(site.components)) component.source = path.join(standIns, component.source);
  change?.(site);
  const file = path.join(directory, `${version}.yaml`);
  await writeFile(file, stringify(site));
  const made = await proseShip(['release', '--config', file, '--output', path.join(directory, 'build')]);
  if (made.exitCode !== 0) throw new Error(made.stderr);
  return path.join(directory, `build/release/prose-${version}`);
}

interface Container {
  readonly id: string;
  readonly startedAt: string;
}

async function containers(): Promise<Record<(typeof services)[number], Container>> {
  const entries = services.map(async (name) => {
    const { stdout } = await pi.exec(`docker inspect -f '{{.Id}} {{.State.StartedAt}}' prose-${name}-1`);
    const [id = '', startedAt = ''] = stdout.split(' ');
    return [name, { id, startedAt }] as const;
  });
  return Object.fromEntries(await Promise.all(entries)) as Record<(typeof services)[number], Container>;
}

/** What Prosody says to a stream for the domain: features, or that it does not know that host. */
async function openStream(): Promise<string> {
  const header = "<stream:stream to='example.org' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";
  const { stdout } = await pi.exec(['bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/5222 && printf %s "$0" >&3 && timeout 3 cat <&3', header]);
  return stdout;
}

async function until(what: string, seconds: number, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (Date.now() < deadline) {
    if (await holds()) return;
    await delay(250);
  }
  throw new Error(`${what}: not within ${seconds} s`);
}

test.before('build a release of the stand-ins', async (t) => {
  t.timeout(40 * 60_000);
  directory = await temporaryDirectory('prose-pod');
  await makeRelease('1.0.0');
  pi = await createArmHost('pod');
});

test.after.always(async () => {
  await (pi as ThrowawayHost | undefined)?.destroy();
});

for (const [component, file] of [['api', 'usr/local/bin/prose-pod-api'], ['server', 'usr/local/bin/prose-pod-server']] as const) {
  test.serial(`the program of ${component} is compiled for each platform`, async (t) => {
    const found: Record<string, number> = {};
    const layout = path.join(directory, 'build/layouts', component);
    for (const image of await readLayout(layout)) {
      for (const { digest } of image.manifest.layers.toReversed()) {
        const { exitCode, stdout } = await execa('tar', ['-xOf', path.join(layout, blobPath(digest)), file], { reject: false, encoding: 'buffer' });
        if (exitCode !== 0) continue;
        const elf = Buffer.from(stdout);
        t.is(elf.subarray(1, 4).toString(), 'ELF');
        found[formatPlatform(image.platform)] = elf.readUInt16LE(18); // e_machine: EM_ARM 40, EM_AARCH64 183
        break;
      }
    }
    t.deepEqual(found, { 'linux/arm/v7': 40, 'linux/arm64': 183 });
  });
}

test.serial('a pod comes up in order and passes its gate', async (t) => {
  t.timeout(10 * 60_000);
  t.is((await proseShip(['provision', 'pod'], { environment: environmentOf(pi) })).exitCode, 0);
  const updated = await proseShip(['update', 'pod', '--release', path.join(directory, 'build/release/prose-1.0.0')], { environment: environmentOf(pi) });
  t.is(updated.exitCode, 0, updated.stderr);
  const { stdout } = await pi.exec('curl -fsS http://127.0.0.1:8081/api/pod/version');
  const versions = JSON.parse(stdout) as Record<string, Record<string, string>>;
  t.deepEqual([versions['api']?.['version'], versions['server']?.['version']], ['0.20.0', '0.4.3']);
  t.deepEqual(Object.keys(versions['api']!).sort(), ['build_date', 'build_timestamp', 'commit_long', 'commit_short', 'tag', 'version']);
  t.regex((await pi.exec('curl -fsS http://127.0.0.1:8080/')).stdout, /prose-app-web 0\.14\.1/);
  t.regex((await pi.exec('docker logs prose-api-1')).stdout, /database\.sqlite was migrated by 1 versions/);
  t.is((await pi.exec('docker exec prose-api-1 stat -c "%a %u:%g" /var/lib/prose-pod-api/database.sqlite')).stdout, '640 1001:1001');
});

test.serial('only the chat port is open to others; every service has its limits', async (t) => {
  const { stdout } = await pi.exec('docker ps --format "{{.Names}} {{.Ports}}"');
  const open = [...stdout.matchAll(/(\S+):(\d+)->/g)].map(([, address, port]) => `${address ?? ''} ${port ?? ''}`);
  t.deepEqual([...new Set(open)].sort(), ['0.0.0.0 5222', '127.0.0.1 5280', '127.0.0.1 8080', '127.0.0.1 8081', '[::] 5222'].sort());
  for (const name of services) {
    const { stdout: limits } = await pi.exec(`docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}} {{index .HostConfig.LogConfig.Config "max-size"}}' prose-${name}-1`);
    t.regex(limits, /^[1-9]\d+ unless-stopped 5m$/, name);
  }
  t.regex((await pi.exec('docker network inspect prose_prose-network')).stdout, /fd70:726f:7365::/);
});

test.serial('a server that starts says 425, and serves nobody until the api has started again', async (t) => {
  t.timeout(5 * 60_000);
  await pi.exec('docker restart -t 20 prose-server-1');
  const answers: string[] = [];
  await until('the server is there again', 120, async () => {
    const { exitCode, stdout } = await pi.exec('docker exec prose-server-1 /usr/lib/prose-ship/healthy 2>&1');
    answers.push(stdout);
    return exitCode === 0;
  });
  t.true(answers.some((answer) => /\/health answers: HTTP\/1\.[01] 425/.test(answer)), answers.join('\n'));
  t.regex(await openStream(), /host-unknown/);
  await pi.exec('docker restart prose-api-1 && docker restart prose-dashboard-1');
  await until('the domain is served', 120, async () => (await openStream()).includes('starttls'));
  t.pass();
});

test.serial('nginx of the host serves the pages, and a renewed certificate reaches Prosody under its own user', async (t) => {
  t.timeout(5 * 60_000);
  const put = async (name: string, target: string) => pi.exec(`mkdir -p $(dirname ${target}) && cat >${target} && chmod 0755 ${target}`, { input: await readFile(path.join(golden, name)) });
  await put('usr-local-sbin-prose-shown-certificate', '/usr/local/sbin/prose-shown-certificate');
  await put('usr-local-sbin-prose-certificates', '/usr/local/sbin/prose-certificates');
  await put('etc-letsencrypt-renewal-hooks-deploy-prose', '/etc/letsencrypt/renewal-hooks/deploy/prose');
  await put('etc-nginx-conf.d-prose.conf', '/etc/nginx/conf.d/prose.conf');
  await put('var-www-prose-.well-known-host-meta.json', '/var/www/prose/.well-known/host-meta.json');
  const started = await pi.exec('prose-certificates placeholder && nginx -t && nginx');
  t.is(started.exitCode, 0, started.stderr);
  const get = async (url: string, options = '') => (await pi.exec(`curl -ksS ${options} --resolve '*:443:127.0.0.1' ${url}`)).stdout;
  t.regex(await get('https://prose.example.org/'), /prose-app-web/);
  t.regex(await get('https://admin.prose.example.org/api/pod/version'), /"version":"0\.20\.0"/);
  t.regex(await get('https://example.org/.well-known/host-meta.json', '-i'), /access-control-allow-origin: \*[\s\S]*wss:\/\/prose\.example\.org\/websocket\//i);
  const upgrade = '-i -m 10 --http1.1 -H "Connection: Upgrade" -H "Upgrade: websocket" -H "Sec-WebSocket-Version: 13" -H "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" -H "Sec-WebSocket-Protocol: xmpp"';
  t.regex(await get('https://prose.example.org/websocket/', upgrade), /^HTTP\/1\.1 101 /);

  // What certbot leaves, and its hook.
  await pi.exec(`mkdir -p /etc/letsencrypt/live/example.org && cd /etc/letsencrypt/live/example.org &&
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 -subj /CN=renewed -addext subjectAltName=DNS:example.org,DNS:groups.example.org -keyout privkey.pem -out fullchain.pem`);
  const deployed = await pi.exec('RENEWED_LINEAGE=/etc/letsencrypt/live/example.org /etc/letsencrypt/renewal-hooks/deploy/prose');
  t.is(deployed.exitCode, 0, deployed.stderr);
  t.is((await pi.exec('docker exec prose-server-1 stat -c "%a %u:%g" /etc/prosody/certs/example.org/privkey.pem')).stdout, '600 1001:1001');
  const subject = (options: string) => pi.exec(`openssl s_client ${options} -servername example.org </dev/null 2>/dev/null | openssl x509 -noout -subject`);
  await until('Prosody shows the new certificate', 60, async () => (await subject('-connect 127.0.0.1:5222 -starttls xmpp -xmpphost example.org')).stdout.includes('renewed'));
  await until('nginx shows the new certificate', 30, async () => (await subject('-connect 127.0.0.1:443')).stdout.includes('renewed'));
  const again = await pi.exec('RENEWED_LINEAGE=/etc/letsencrypt/live/example.org /etc/letsencrypt/renewal-hooks/deploy/prose');
  t.is(again.exitCode, 0, again.stderr);
});

test.serial('an update of the server restarts api and dashboard after it, in order, and leaves the web app alone', async (t) => {
  t.timeout(20 * 60_000);
  const before = await containers();
  const release = await makeRelease('1.0.1', ({ components }) => {
    components['server']!.args['COMMIT'] = commit;
  });
  const updated = await proseShip(['update', 'pod', '--release', release], { environment: environmentOf(pi) });
  t.is(updated.exitCode, 0, updated.stderr);
  const after = await containers();
  t.not(after.server.id, before.server.id);
  t.deepEqual([after.api.id, after.dashboard.id], [before.api.id, before.dashboard.id]);
  t.deepEqual(after.web, before.web);
  t.true(before.dashboard.startedAt < after.server.startedAt);
  t.true(after.server.startedAt < after.api.startedAt && after.api.startedAt < after.dashboard.startedAt, JSON.stringify(after));
  t.regex((await pi.exec('curl -fsS http://127.0.0.1:8081/api/pod/version')).stdout, new RegExp(`"commit_short":"${commit.slice(0, 7)}"`));
});
