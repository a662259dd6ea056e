import test from 'ava';
import { AcmeHost, certificatesProgram as script, coveredNames, nginx, providerUrl, serverVariables } from '../../support/acme/acme-host.ts';

/**
 * What the recipe prosody puts on a host, with Debian's certbot and nginx, and pebble as the authority. The engine is not there:
 * what reaches Prosody is proven in test/recipes/certificates.recipe.ts.
 */
const names = ['example.org', 'groups.example.org', 'proxy.example.org'];
const web = nginx('example.org');
const renew = 'certbot renew --force-renewal --no-random-sleep-on-renew 2>&1';
let acme: AcmeHost;

const site = (more = '') =>
  `profile: public\ndomain: example.org\nvariables:\n  admins: [anna@example.org]\n  contact: ['mailto:admin@example.org']\n  turn: false\n  certificate_email: admin@example.org\n${serverVariables(acme)}${more}`;

test.before('a host with the site', async () => {
  acme = await AcmeHost.create();
  await acme.setNames(names.slice(0, 2));
  await acme.startProvider('many');
  await acme.startPebble();
  // No server runs.
  await acme.must("printf '#!/bin/sh\\n' >/usr/local/bin/docker && chmod 755 /usr/local/bin/docker");
  await acme.layFiles(site());
  // The recipe's actions, in their order.
  await acme.must(`update-ca-certificates --fresh --hooksdir /nowhere >/dev/null && ${script} placeholder && nginx -t -q && nginx`);
});

test.after.always(async () => {
  await (acme as AcmeHost | undefined)?.host.destroy();
});

const master = () => acme.must('cat /run/nginx.pid');

test.serial('until there is a certificate, one of its own stands in, and the check says so', async (t) => {
  t.deepEqual(coveredNames(await acme.shown(web)), names);
  t.deepEqual(await acme.complaintsOfNginx(), ['nginx shows for example.org a self-signed certificate: none came yet; systemctl status chat-certificates says why']);
});

test.serial('certbot gets a certificate through nginx for the names that have an address; later for all', async (t) => {
  const [before, process] = [await acme.shown(web), await master()];
  t.regex(await acme.succeeds(t, `${script} issue`), /proxy\.example\.org has no address in the DNS yet; it is left out/);
  const first = await acme.shown(web, before.serialNumber);
  t.deepEqual(coveredNames(first), names.slice(0, 2));
  t.regex(first.issuer, /Pebble/);
  await acme.setNames(names);
  await acme.succeeds(t, `${script} issue`);
  const second = await acme.shown(web, first.serialNumber);
  t.deepEqual(coveredNames(second), names);
  t.is((await acme.must('stat -c "%a %U" /etc/prose/tls/example.org/privkey.pem')).trim(), '600 root');
  t.is(await master(), process, 'nginx goes on');
  t.deepEqual(await acme.complaintsOfNginx(), []);
  await acme.succeeds(t, `${script} issue`);
  t.is((await acme.shown(web)).serialNumber, second.serialNumber, 'what is good is not asked for again');
});

test.serial('a renewal by certbot itself reaches nginx', async (t) => {
  const before = await acme.shown(web);
  await acme.succeeds(t, renew);
  t.not((await acme.shown(web, before.serialNumber)).serialNumber, before.serialNumber);
});

test.serial('a renewal that is refused, or that nobody answers, is told and leaves what is there', async (t) => {
  const before = await acme.shown(web);
  await acme.must(': >/srv/acme/addresses'); // for the authority alone
  const refused = await acme.host.exec(renew);
  t.is(refused.exitCode, 1);
  t.regex(refused.stdout, /Failed to renew certificate example\.org/);
  await acme.stop('pebble');
  const unanswered = await acme.host.exec(renew);
  t.is(unanswered.exitCode, 1);
  // Another name is wanted than there is: the script itself asks.
  await acme.setNames([...names, 'pubsub.example.org']);
  await acme.layFiles(site('  pubsub: true\n'));
  const asked = await acme.host.exec(`${script} issue`);
  t.is(asked.exitCode, 1);
  t.regex(asked.stderr, /no certificate for example\.org groups\.example\.org proxy\.example\.org pubsub\.example\.org; what was there stays/);
  t.is((await acme.shown(web)).serialNumber, before.serialNumber);
  t.deepEqual(await acme.complaintsOfNginx(), []);
});

test.serial('an nginx that did not take a certificate in is told again', async (t) => {
  await acme.startPebble();
  await acme.forgetAccount(); // nobody is known to the new one
  const before = await acme.shown(web);
  await acme.must('echo nonsense >/etc/nginx/conf.d/own.conf');
  t.is((await acme.host.exec(`${script} issue`)).exitCode, 1);
  t.is((await acme.shown(web)).serialNumber, before.serialNumber);
  await acme.must('rm /etc/nginx/conf.d/own.conf');
  await acme.succeeds(t, `${script} issue`);
  t.deepEqual(coveredNames(await acme.shown(web, before.serialNumber)), [...names, 'pubsub.example.org'].sort());
});

test.serial('who changes to dns-01 is asked so from then on, with the token where nobody sees it', async (t) => {
  const before = await acme.shown(web);
  await acme.setNames([]);
  await acme.forgetAccount();
  await acme.must("mkdir -p /var/lib/prose-ship/secrets && cp /srv/acme/token /var/lib/prose-ship/secrets/challenge_token");
  const query = 'name=NAME&txt=VALUE&token=TOKEN';
  const variables = ['certificate_challenge: dns-01', `challenge_url: '${providerUrl}/set?${query}'`, `challenge_clear_url: '${providerUrl}/clear?${query}'`, 'challenge_seconds: 0'];
  await acme.layFiles(site(`${variables.map((line) => `  ${line}\n`).join('')}secrets: {challenge_token: {env: TOKEN}}\n`));
  await acme.succeeds(t, `${script} issue`);
  const second = await acme.shown(web, before.serialNumber);
  t.deepEqual(coveredNames(second), [...names].sort());
  const asked = await acme.asked();
  for (const name of names) {
    for (const path of ['/set', '/clear']) t.is(asked.filter((line) => line.startsWith(`${path} name=_acme-challenge.${name} txt=`) && line.endsWith(' good')).length, 1, `${path} ${name}`);
  }
  t.is(asked.length, 6, asked.join('\n'));
  await acme.succeeds(t, renew);
  t.not((await acme.shown(web, second.serialNumber)).serialNumber, second.serialNumber);
  // The account is the same, so that a name may count as proven already.
  const again = (await acme.asked()).slice(6);
  t.true(again.length > 0 && again.every((line) => line.endsWith(' good')), again.join('\n'));
  t.is(again.filter((line) => line.startsWith('/set ')).length, again.filter((line) => line.startsWith('/clear ')).length);
});

test.serial('the check names what is wanted and what is found: other names, an end that comes', async (t) => {
  const put = async (serial: string, name: string, days: string) => acme.must(`mkdir -p /tmp/own/example.org /tmp/ca && cd /tmp/ca && : >index && echo ${serial} >serial
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=x -keyout /tmp/own/example.org/privkey.pem -out request
    printf '[ca]\\ndefault_ca = it\\n[it]\\ndatabase = index\\nserial = serial\\nnew_certs_dir = .\\ndefault_md = sha256\\npolicy = any\\nx509_extensions = names\\n[any]\\ncommonName = supplied\\n[names]\\nsubjectAltName = DNS:${name}\\n' >settings
    openssl ca -batch -config settings -cert /srv/acme/ca.crt -keyfile /srv/acme/ca.key -in request -notext -out /tmp/own/example.org/fullchain.pem ${days}
    ${script} deploy /tmp/own/example.org`);
  const before = await acme.shown(web);
  await put('A1', 'chat.example.net', '-days 60');
  t.deepEqual(coveredNames(await acme.shown(web, before.serialNumber)), ['chat.example.net']);
  t.deepEqual(await acme.complaintsOfNginx(), ['nginx shows for example.org a certificate that does not cover it, but: chat.example.net']);
  const end = new Date(Date.now() + 10 * 86_400_000);
  const day = end.toISOString().slice(0, 10);
  await put('A2', 'example.org', `-startdate "$(date -u -d '-80 days' +%Y%m%d000000Z)" -enddate ${day.replaceAll('-', '')}000000Z`);
  await acme.shown(web, 'A1');
  t.deepEqual(await acme.complaintsOfNginx(), [`nginx shows for example.org a certificate that ends on ${day} and was not renewed`]);
  await acme.succeeds(t, `${script} issue`);
});
