import { X509Certificate } from 'node:crypto';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { AcmeHost, directory } from '../../support/acme/acme-host.ts';

/**
 * What the recipe prose-pod puts on a host, with Debian's certbot and nginx, and pebble as the authority. The engine is not there:
 * what would run in the server's container runs on the host, in the place of Prosody, which test/recipes/prose-pod.recipe.ts has.
 */
const forDomain = ['example.org', 'groups.example.org'];
const forPod = ['admin.prose.example.org', 'prose.example.org'];
const script = '/usr/local/sbin/chat-certificates';
const renew = 'certbot renew --force-renewal --no-random-sleep-on-renew 2>&1';
let acme: AcmeHost;

const standIns = path.resolve(import.meta.dirname, '../../stand-ins/prose-pod');
const components = ['server', 'api', 'dashboard', 'web'].map((name) => `  ${name}: {source: ${path.join(standIns, name)}}\n`).join('');
const layFiles = (more = '') => acme.layFiles(`domain: example.org\nvariables:\n  company_name: Example\n${more}components:\n${components}`, 'prose-pod');

test.before('a host with the site', async () => {
  acme = await AcmeHost.create();
  await acme.setNames(['example.org', 'prose.example.org']);
  await acme.startProvider('many');
  await acme.startPebble();
  await acme.must(`cat >/usr/local/bin/docker <<'END'
#!/bin/sh
case $1 in ps) echo server && exit ;; esac
shift
[ "$1" != -i ] || shift
shift
exec "$@"
END
    printf '%s\\n' '#!/bin/sh' 'echo "$*" >>/srv/acme/told' >/usr/local/bin/prosodyctl
    chmod 755 /usr/local/bin/docker /usr/local/bin/prosodyctl
    mkdir -p /etc/letsencrypt && echo 'server = ${directory}' >/etc/letsencrypt/cli.ini
    cp /srv/acme/ca.crt /usr/local/share/ca-certificates/acme.crt && update-ca-certificates --fresh --hooksdir /nowhere >/dev/null`);
  await layFiles();
  await acme.must(`${script} placeholder && nginx -t -q && nginx`);
});

test.after.always(async () => {
  await (acme as AcmeHost | undefined)?.host.destroy();
});

/** What nginx shows for a name. A reload takes it a moment, so a change is waited for. */
async function shown(name: string, unlike?: string): Promise<X509Certificate> {
  const script = `for try in $(seq 100); do
      openssl s_client -connect 127.0.0.1:443 -servername ${name} </dev/null 2>/dev/null | openssl x509 >/tmp/shown
      [ "$(openssl x509 -noout -serial -in /tmp/shown)" = 'serial=${unlike ?? ''}' ] || break
      sleep 0.1
    done; cat /tmp/shown`;
  return new X509Certificate(await acme.must(script));
}

const covered = (certificate: X509Certificate) => (certificate.subjectAltName ?? '').split(', ').map((name) => name.replace('DNS:', '')).sort();
const ofProsody = async () => new X509Certificate(await acme.must('cat /etc/prosody/certs/example.org/fullchain.pem'));
const told = async () => Number(await acme.must('grep -cx reload /srv/acme/told'));
const complaints = async () => (await acme.host.exec(`${script} check`)).stderr.split('\n').filter((line) => line.startsWith('nginx'));

async function succeeds(t: ExecutionContext, command: string): Promise<string> {
  const { exitCode, stdout, stderr } = await acme.host.exec(command);
  t.is(exitCode, 0, stdout + stderr);
  return stdout + stderr;
}

test.serial('until there are certificates, those of its own stand in, and the check says so', async (t) => {
  t.deepEqual(covered(await shown('example.org')), forDomain);
  for (const name of forPod) t.deepEqual(covered(await shown(name)), forPod);
  const expected = ['prose.example.org', 'admin.prose.example.org', 'example.org'].map((name) => `nginx shows for ${name} a self-signed certificate: none came yet; systemctl status chat-certificates says why`);
  t.deepEqual(await complaints(), expected);
});

test.serial('certbot gets both certificates through nginx, for the names that have an address; later for all', async (t) => {
  const [before, podBefore] = [await shown('example.org'), await shown('prose.example.org')];
  const first = await succeeds(t, `${script} issue`);
  for (const name of ['groups.example.org', 'admin.prose.example.org']) t.true(first.includes(`${name} has no address in the DNS yet; it is left out`), first);
  const alone = await shown('example.org', before.serialNumber);
  t.deepEqual(covered(alone), ['example.org']);
  t.regex(alone.issuer, /Pebble/);
  const podAlone = await shown('prose.example.org', podBefore.serialNumber);
  t.deepEqual(covered(podAlone), ['prose.example.org']);
  await acme.setNames([...forDomain, ...forPod]);
  await succeeds(t, `${script} issue`);
  const all = await shown('example.org', alone.serialNumber);
  t.deepEqual(covered(all), forDomain);
  t.is((await ofProsody()).serialNumber, all.serialNumber);
  t.is(await told(), 2);
  for (const name of forPod) t.deepEqual(covered(await shown(name, podAlone.serialNumber)), forPod);
  t.is((await acme.must('stat -c "%a %U" /etc/prose/tls/*/privkey.pem')).trim(), '600 root\n600 root');
  t.deepEqual(await complaints(), []);
  await succeeds(t, `${script} issue`);
  t.is((await shown('example.org')).serialNumber, all.serialNumber, 'what is good is not asked for again');
  t.is(await told(), 2);
});

test.serial('a renewal by certbot itself reaches nginx and Prosody', async (t) => {
  const [domain, pod] = [await shown('example.org'), await shown('prose.example.org')];
  await succeeds(t, renew);
  t.not((await shown('prose.example.org', pod.serialNumber)).serialNumber, pod.serialNumber);
  const renewed = await shown('example.org', domain.serialNumber);
  t.not(renewed.serialNumber, domain.serialNumber);
  t.is((await ofProsody()).serialNumber, renewed.serialNumber);
  t.is(await told(), 3);
});

test.serial('another name that the authority refuses leaves what is there, and is told', async (t) => {
  const before = await shown('prose.example.org');
  await layFiles('  dashboard_domain: board.example.org\n');
  await acme.must('nginx -t -q && nginx -s reload');
  await acme.setNames([...forDomain, ...forPod, 'board.example.org']);
  await acme.must(': >/srv/acme/addresses'); // for the authority alone
  const refused = await acme.host.exec(`${script} issue`);
  t.is(refused.exitCode, 1);
  t.regex(refused.stderr, /^no certificate for prose\.example\.org board\.example\.org; what was there stays\. More in \/var\/log\/letsencrypt\/letsencrypt\.log$/m);
  t.is((await shown('prose.example.org')).serialNumber, before.serialNumber);
  t.regex((await complaints()).join('\n'), /^nginx shows for board\.example\.org a certificate that does not cover it, but: (?:(?:admin\.)?prose\.example\.org(?:, )?){2}$/);
  await acme.setNames([...forDomain, 'prose.example.org', 'board.example.org']);
  await succeeds(t, `${script} issue`);
  t.deepEqual(covered(await shown('board.example.org', before.serialNumber)), ['board.example.org', 'prose.example.org']);
  t.deepEqual(await complaints(), []);
});
