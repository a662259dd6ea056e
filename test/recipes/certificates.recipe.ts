import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { AcmeHost, certificatesProgram as script, coveredNames, nginx, serverVariables } from '../support/acme/acme-host.ts';
import { environmentOf, ProsodyReleases } from '../support/chat/prosody-releases.ts';
import { proseShip } from '../support/command-line.ts';
import { createThrowawayHost } from '../support/hosts/throwaway-host.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/**
 * The recipe prosody, profile public, laid by the updater onto a host with Debian's certbot and nginx, with its own image of
 * Prosody for this machine's processor, and pebble as the authority. Needs what the pipeline's tests need.
 */
const name = 'certs';
const names = ['example.org', 'groups.example.org', 'proxy.example.org'];
const renew = 'certbot renew --force-renewal --no-random-sleep-on-renew 2>&1';
let acme: AcmeHost;
let release: string;

test.before('a release with the whole site, and a host', async (t) => {
  t.timeout(40 * 60_000);
  const directory = await temporaryDirectory('certificates');
  acme = await AcmeHost.create(await createThrowawayHost({ name }));
  const recipe = await new ProsodyReleases(directory).writeRecipe('prosody', (text) => text);
  const site = path.join(directory, 'prose-ship.yaml');
  const platform = process.arch === 'x64' ? 'linux/amd64' : 'linux/arm64';
  await writeFile(site, `schema: 1\nname: chat\nversion: 1.0.0\nrecipe: ${recipe}\nplatforms: [${platform}]\nprofile: public\ndomain: example.org\nvariables:\n  admins: [anna@example.org]\n  contact: ['mailto:admin@example.org']\n  turn: false\n${serverVariables(acme)}`);
  const made = await proseShip(['release', '--config', site, '--output', path.join(directory, 'build')]);
  if (made.exitCode !== 0) throw new Error(made.stderr);
  release = path.join(directory, 'build/release/chat-1.0.0');
  await acme.setNames(names);
  await acme.startProvider('many');
  await acme.startPebble();
  // In the place of systemd, which the host has not.
  await acme.must(`rm -f /usr/bin/systemctl; cat >/usr/bin/systemctl <<'END'
#!/bin/sh
case "$*" in
  daemon-reload | 'reenable --now '*) ;;
  'reload-or-restart nginx') nginx -s reload 2>/dev/null || nginx ;;
  *) exit 1 ;;
esac
END
    chmod 755 /usr/bin/systemctl`);
});

test.after.always(async () => {
  await (acme as AcmeHost | undefined)?.host.destroy();
});

const client = (host: string) => `-connect 127.0.0.1:5222 -starttls xmpp -xmpphost ${host}`;
const server = (host: string) => `-connect 127.0.0.1:5269 -starttls xmpp-server -xmpphost ${host}`;
const direct = '-connect 127.0.0.1:5223 -servername example.org';
const web = nginx('example.org');

/** A client that stays until it is thrown out. */
async function connectClient(): Promise<void> {
  await acme.must(`setsid sh -c 'sleep 3000 | openssl s_client ${client('example.org')} >/tmp/stream 2>&1; echo over >>/tmp/stream' </dev/null >/dev/null 2>&1 &`);
  await acme.must("for try in $(seq 100); do ! grep -q 'BEGIN CERTIFICATE' /tmp/stream || exit 0; sleep 0.1; done; exit 1");
}

async function isConnected(t: ExecutionContext): Promise<void> {
  t.notRegex(await acme.must('cat /tmp/stream'), /^(?:over|closed)$/m);
}

const container = () => acme.must("docker inspect -f '{{.Id}} {{.State.StartedAt}} {{.RestartCount}}' chat-server-1");

async function checks(t: ExecutionContext): Promise<string[]> {
  const { exitCode, stderr, result } = await proseShip(['status', name], { environment: environmentOf(acme.host) });
  t.is(exitCode, 0, stderr);
  const [{ status }] = result['hosts'] as [{ status: string[][] }];
  return status.filter(([key]) => key === 'host-check').map((row) => row.slice(1).join(' '));
}

test.serial('an update lays everything on the host, and warns that certificates are missing', async (t) => {
  t.timeout(10 * 60_000);
  const environment = environmentOf(acme.host);
  const provisioned = await proseShip(['provision', name], { environment });
  t.is(provisioned.exitCode, 0, provisioned.stderr);
  const updated = await proseShip(['update', name, '--release', release], { environment });
  t.is(updated.exitCode, 0, updated.stderr);
  const wanted = ['Prosody shows for example.org', 'Prosody shows for groups.example.org', 'Prosody shows for proxy.example.org', 'nginx shows for example.org'];
  const missing = wanted.map((one) => `${one} a self-signed certificate: none came yet; systemctl status chat-certificates says why`);
  for (const text of missing) t.true(updated.stdout.includes(`check certificates of the host: ${text}`), updated.stdout);
  t.deepEqual(await checks(t), missing.map((text) => `certificates failed ${text}`));
});

test.serial('the certificate reaches Prosody under its own user, and nginx; nothing restarts, and nobody is thrown out', async (t) => {
  t.timeout(5 * 60_000);
  const before = await container();
  await connectClient();
  const issued = await acme.host.exec(`${script} issue`);
  t.is(issued.exitCode, 0, issued.stderr);
  const stored = new X509Certificate(await acme.must('cat /etc/letsencrypt/live/example.org/fullchain.pem'));
  t.deepEqual(coveredNames(stored), names);
  for (const options of [client('example.org'), ...names.map(server), direct, web]) {
    const found = await shownAs(options, stored.serialNumber);
    t.is(found, stored.serialNumber, options);
  }
  for (const one of names) {
    for (const kind of ['key', 'crt']) t.is((await acme.must(`docker exec chat-server-1 stat -c '%a %u:%g' /var/lib/prosody/certs/${one}.${kind}`)).trim(), '600 999:999');
  }
  t.is(await container(), before);
  await isConnected(t);
  t.deepEqual(await checks(t), ['certificates passed']);
});

/** Waits until a program shows the certificate with this serial number; gives the last one that it showed. */
async function shownAs(options: string, serial: string): Promise<string> {
  for (let tries = 0; ; tries += 1) {
    const found = await acme.shown(options);
    if (found.serialNumber === serial || tries === 50) return found.serialNumber;
  }
}

test.serial('a server that was not there when a certificate came gets it from the next run', async (t) => {
  t.timeout(5 * 60_000);
  await acme.must('docker stop chat-server-1');
  const before = await acme.shown(web);
  const renewed = await acme.host.exec(renew);
  t.is(renewed.exitCode, 0, renewed.stdout);
  const after = await acme.shown(web, before.serialNumber);
  await acme.must('docker start chat-server-1');
  const issued = await acme.host.exec(`${script} issue`);
  t.is(issued.exitCode, 0, issued.stderr);
  t.is(await shownAs(client('example.org'), after.serialNumber), after.serialNumber);
});

test.serial('a renewal by certbot itself reaches both; one that fails is told and changes nothing', async (t) => {
  t.timeout(5 * 60_000);
  const before = await container();
  await connectClient();
  const first = await acme.shown(web);
  const renewed = await acme.host.exec(renew);
  t.is(renewed.exitCode, 0, renewed.stdout);
  const second = await acme.shown(web, first.serialNumber);
  t.not(second.serialNumber, first.serialNumber);
  for (const options of [client('example.org'), ...names.map(server), direct]) t.is(await shownAs(options, second.serialNumber), second.serialNumber, options);
  await acme.stop('pebble');
  const failed = await acme.host.exec(renew);
  t.is(failed.exitCode, 1);
  t.regex(failed.stdout, /Failed to renew certificate example\.org/);
  for (const options of [client('example.org'), web]) t.is((await acme.shown(options)).serialNumber, second.serialNumber, options);
  t.is(await container(), before);
  await isConnected(t);
  t.deepEqual(await checks(t), ['certificates passed']);
});
