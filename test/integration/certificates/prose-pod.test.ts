import { X509Certificate } from 'node:crypto';
import path from 'node:path';
import test from 'ava';
import { AcmeHost, certificatesProgram as script, coveredNames, directory, nginx } from '../../support/acme/acme-host.ts';

/**
 * What the recipe prose-pod puts on a host, with Debian's certbot and nginx, and pebble as the authority. The engine is not there:
 * what would run in the server's container runs on the host, in the place of Prosody, which test/recipes/prose-pod.recipe.ts has.
 */
const forDomain = ['example.org', 'groups.example.org'];
const forPod = ['admin.prose.example.org', 'prose.example.org'];
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

const ofProsody = async () => new X509Certificate(await acme.must('cat /etc/prosody/certs/example.org/fullchain.pem'));
const told = async () => Number(await acme.must('grep -cx reload /srv/acme/told'));

test.serial('until there are certificates, those of its own stand in, and the check says so', async (t) => {
  t.deepEqual(coveredNames(await acme.shown(nginx('example.org'))), forDomain);
  for (const name of forPod) t.deepEqual(coveredNames(await acme.shown(nginx(name))), forPod);
  const expected = ['prose.example.org', 'admin.prose.example.org', 'example.org'].map((name) => `nginx shows for ${name} a self-signed certificate: none came yet; systemctl status chat-certificates says why`);
  t.deepEqual(await acme.complaintsOfNginx(), expected);
});

test.serial('certbot gets both certificates through nginx, for the names that have an address; later for all', async (t) => {
  const [before, podBefore] = [await acme.shown(nginx('example.org')), await acme.shown(nginx('prose.example.org'))];
  const first = await acme.succeeds(t, `${script} issue`);
  for (const name of ['groups.example.org', 'admin.prose.example.org']) t.true(first.includes(`${name} has no address in the DNS yet; it is left out`), first);
  const alone = await acme.shown(nginx('example.org'), before.serialNumber);
  t.deepEqual(coveredNames(alone), ['example.org']);
  t.regex(alone.issuer, /Pebble/);
  const podAlone = await acme.shown(nginx('prose.example.org'), podBefore.serialNumber);
  t.deepEqual(coveredNames(podAlone), ['prose.example.org']);
  await acme.setNames([...forDomain, ...forPod]);
  await acme.succeeds(t, `${script} issue`);
  const all = await acme.shown(nginx('example.org'), alone.serialNumber);
  t.deepEqual(coveredNames(all), forDomain);
  t.is((await ofProsody()).serialNumber, all.serialNumber);
  t.is(await told(), 2);
  for (const name of forPod) t.deepEqual(coveredNames(await acme.shown(nginx(name), podAlone.serialNumber)), forPod);
  t.is((await acme.must('stat -c "%a %U" /etc/prose/tls/*/privkey.pem')).trim(), '600 root\n600 root');
  t.deepEqual(await acme.complaintsOfNginx(), []);
  await acme.succeeds(t, `${script} issue`);
  t.is((await acme.shown(nginx('example.org'))).serialNumber, all.serialNumber, 'what is good is not asked for again');
  t.is(await told(), 2);
});

test.serial('a renewal by certbot itself reaches nginx and Prosody', async (t) => {
  const [domain, pod] = [await acme.shown(nginx('example.org')), await acme.shown(nginx('prose.example.org'))];
  await acme.succeeds(t, renew);
  t.not((await acme.shown(nginx('prose.example.org'), pod.serialNumber)).serialNumber, pod.serialNumber);
  const renewed = await acme.shown(nginx('example.org'), domain.serialNumber);
  t.not(renewed.serialNumber, domain.serialNumber);
  t.is((await ofProsody()).serialNumber, renewed.serialNumber);
  t.is(await told(), 3);
});

test.serial('another name that the authority refuses leaves what is there, and is told', async (t) => {
  const before = await acme.shown(nginx('prose.example.org'));
  await layFiles('  dashboard_domain: board.example.org\n');
  await acme.must('nginx -t -q && nginx -s reload');
  await acme.setNames([...forDomain, ...forPod, 'board.example.org']);
  await acme.must(': >/srv/acme/addresses'); // for the authority alone
  const refused = await acme.host.exec(`${script} issue`);
  t.is(refused.exitCode, 1);
  t.regex(refused.stderr, /^no certificate for prose\.example\.org board\.example\.org; what was there stays\. More in \/var\/log\/letsencrypt\/letsencrypt\.log$/m);
  t.is((await acme.shown(nginx('prose.example.org'))).serialNumber, before.serialNumber);
  t.regex((await acme.complaintsOfNginx()).join('\n'), /^nginx shows for board\.example\.org a certificate that does not cover it, but: (?:(?:admin\.)?prose\.example\.org(?:, )?){2}$/);
  await acme.setNames([...forDomain, 'prose.example.org', 'board.example.org']);
  await acme.succeeds(t, `${script} issue`);
  t.deepEqual(coveredNames(await acme.shown(nginx('board.example.org'), before.serialNumber)), ['board.example.org', 'prose.example.org']);
  t.deepEqual(await acme.complaintsOfNginx(), []);
});
