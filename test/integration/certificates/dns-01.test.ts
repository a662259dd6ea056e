import { X509Certificate } from 'node:crypto';
import test from 'ava';
import { AcmeHost, certificatesProgram as script, providerUrl, serverVariables } from '../../support/acme/acme-host.ts';

/** Profile ddns with certificates by dns-01: no port is open, and no name has an address. */
const domain = 'family.duckdns.org';
let acme: AcmeHost;

test.before('a host with the site', async () => {
  acme = await AcmeHost.create();
  await acme.setNames([]);
  await acme.startProvider('one');
  await acme.startPebble();
  // No server runs.
  await acme.must("printf '#!/bin/sh\\n' >/usr/local/bin/docker && chmod 755 /usr/local/bin/docker");
  await acme.must('mkdir -p /var/lib/prose-ship/secrets && cp /srv/acme/token /var/lib/prose-ship/secrets/ddns_token');
});

test.after.always(async () => {
  await (acme as AcmeHost | undefined)?.host.destroy();
});

const site = (more: readonly string[]) =>
  `profile: ddns\ndomain: ${domain}\nvariables:\n  admins: [anna@${domain}]\n  ddns_provider: duckdns\n  web: false\n  uploads: false\n  certificate_challenge: dns-01\n  challenge_seconds: 0\n${serverVariables(acme)}${more.map((line) => `  ${line}\n`).join('')}secrets: {ddns_token: {env: TOKEN}, challenge_token: {env: TOKEN}}\n`;
const certificateOf = async (name: string) => new X509Certificate(await acme.must(`cat /etc/letsencrypt/live/${name}/fullchain.pem`));

test.serial('DuckDNS, which keeps one record for all names: each name gets its own certificate', async (t) => {
  const files = await acme.layFiles(site([]));
  t.true(files.includes('/usr/local/sbin/chat-challenge'));
  await acme.must(`update-ca-certificates --fresh --hooksdir /nowhere >/dev/null && ${script} placeholder`);
  const issue = () => acme.host.exec(`PROSE_DDNS_URL=${providerUrl} ${script} issue`);
  const { exitCode, stderr } = await issue();
  t.is(exitCode, 0, stderr);
  for (const name of [domain, `groups.${domain}`]) t.is((await certificateOf(name)).subjectAltName, `DNS:${name}`);
  const asked = await acme.asked();
  t.deepEqual(asked.map((line) => line.replace(/txt=\S+/, 'txt')), ['/update domains=family txt good', '/update clear=true domains=family txt good', '/update domains=family txt good', '/update clear=true domains=family txt good']);
  const served = new X509Certificate(await acme.must(`cat /etc/prose/tls/${domain}/fullchain.pem`));
  t.is(served.serialNumber, (await certificateOf(domain)).serialNumber);
  t.is((await issue()).exitCode, 0);
  t.is((await acme.asked()).length, 4, 'what is good is not asked for again');
});

test.serial('a renewal asks each name for itself', async (t) => {
  const before = await certificateOf(`groups.${domain}`);
  const { exitCode, stdout } = await acme.host.exec(`PROSE_DDNS_URL=${providerUrl} certbot renew --force-renewal --no-random-sleep-on-renew 2>&1`);
  t.is(exitCode, 0, stdout);
  t.not((await certificateOf(`groups.${domain}`)).serialNumber, before.serialNumber);
  const served = await acme.must(`openssl x509 -noout -serial -in /etc/prose/tls/${domain}/fullchain.pem`);
  t.is(served.trim(), `serial=${(await certificateOf(domain)).serialNumber}`);
});

test.serial('a provider that refuses is told, and the token is not', async (t) => {
  await acme.must("printf wrong-token >/var/lib/prose-ship/secrets/ddns_token; rm -rf /etc/letsencrypt/live/* /etc/letsencrypt/renewal/* /etc/letsencrypt/archive/*");
  await acme.forgetAccount();
  const { exitCode, stderr } = await acme.host.exec(`PROSE_DDNS_URL=${providerUrl} ${script} issue`);
  t.is(exitCode, 1);
  t.regex(stderr, new RegExp(`no certificate for ${domain.replaceAll('.', '\\.')}; what was there stays`));
  t.regex(stderr, /the provider refused: KO/);
  t.notRegex(stderr, /wrong-token/);
  const log = await acme.must('cat /var/log/letsencrypt/*');
  t.notRegex(log, /wrong-token/);
  t.is((await acme.host.exec(`openssl x509 -noout -ext subjectAltName -in /etc/prose/tls/${domain}/fullchain.pem`)).exitCode, 0);
});

test.serial('a program of the host puts records anywhere', async (t) => {
  await acme.must(`cp /srv/acme/token /var/lib/prose-ship/secrets/challenge_token
    printf '%s\\n' '#!/bin/sh' 'curl --silent --show-error --fail --get --data domains=own --data-urlencode "token@$TOKEN_FILE" --data-urlencode "txt=$3" ${providerUrl}/update' 'echo "$1 $2" >>/srv/acme/called' >/usr/local/sbin/own-dns
    chmod 755 /usr/local/sbin/own-dns`);
  await acme.forgetAccount();
  await acme.layFiles(site(['rooms: false', 'challenge_command: /usr/local/sbin/own-dns']));
  const { exitCode, stderr } = await acme.host.exec(`${script} issue`);
  t.is(exitCode, 0, stderr);
  t.is((await certificateOf(domain)).subjectAltName, `DNS:${domain}`);
  t.is(await acme.must('cat /srv/acme/called'), `add _acme-challenge.${domain}\nremove _acme-challenge.${domain}`);
  t.deepEqual((await acme.asked()).filter((line) => line.startsWith('SHOWN')), []);
});
