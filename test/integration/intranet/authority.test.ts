import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { exchangeMessage, sendMessage } from '../../support/chat/chat-client.ts';
import { createIntranetHost } from '../../support/chat/intranet-host.ts';
import type { ThrowawayHost } from '../../support/hosts/throwaway-host.ts';
import { run } from '../../support/run-program.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const domain = 'chat.home';
const authority = '/etc/prose/authority';

let host: ThrowawayHost;
let directory: string;
/** What a client was given. */
let authorityFile: string;
/** Of the same name, made by somebody else. */
let otherFile: string;

test.before('a host of the profile intranet', async (t) => {
  host = await createIntranetHost(domain);
  directory = await temporaryDirectory('intranet-authority');
  authorityFile = path.join(directory, 'ca.crt');
  otherFile = path.join(directory, 'other.crt');
  const made = await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '9', '-subj', '/CN=Authority of office', '-addext', 'basicConstraints=critical,CA:TRUE', '-keyout', path.join(directory, 'other.key'), '-out', otherFile]);
  t.is(made.code, 0, made.stderr);
});

test.after.always('gone', async () => {
  await (host as ThrowawayHost | undefined)?.destroy();
});

async function must(t: ExecutionContext, command: string): Promise<string> {
  const { exitCode, stdout, stderr } = await host.exec(command);
  t.is(exitCode, 0, `${command}: ${stdout}${stderr}`);
  return stdout;
}

/** A client's own view: what Prosody shows after STARTTLS, judged by OpenSSL with one authority. */
async function dial(trusted: string, name = domain): Promise<{ accepted: boolean; shown?: X509Certificate; output: string }> {
  const words = ['openssl', 's_client', '-connect', `${host.address}:5222`, '-starttls', 'xmpp', '-xmpphost', domain, '-verify_return_error', '-verify_hostname', name, '-no-CApath', '-no-CAstore', '-CAfile', trusted];
  // Without anything to send it ends after the handshake.
  const { code, stdout, stderr } = await run('sh', ['-c', 'exec timeout 60 "$@" </dev/null', 'sh', ...words]);
  const [pem] = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/.exec(stdout) ?? [];
  return { accepted: code === 0 && stdout.includes('Verify return code: 0 (ok)'), output: stdout + stderr, ...(pem === undefined ? {} : { shown: new X509Certificate(pem) }) };
}

const serverPid = async (t: ExecutionContext) => must(t, 'cat /run/prosody/prosody.pid');

function chat(text: string, trusted: string): Promise<string> {
  const login = (name: string) => ({ jid: `${name}@${domain}`, password: `of-${name}`, server: `${host.address}:5222`, authorityFile: trusted });
  return exchangeMessage(login('anna'), login('bert'), text);
}

/** By the library alone, so that nothing else is between. */
const shifted = (clock: string) => `env FAKETIME=${clock} LD_PRELOAD="$(ls /usr/lib/*/faketime/libfaketime.so.1)"`;
const daysUntil = (date: Date) => (date.getTime() - Date.now()) / 86_400_000;

test.serial('a certificate that its authority signed a year ago reaches the running server, and clients that trust it log in', async (t) => {
  const pid = await serverPid(t);
  const selfSigned = await dial(otherFile);
  t.false(selfSigned.accepted);
  t.regex(selfSigned.output, /self-signed certificate/);
  await must(t, `${shifted('-370d')} office-certificates issue`);
  await writeFile(authorityFile, await must(t, `cat ${authority}/ca.crt`));
  const old = await dial(authorityFile);
  t.true(old.accepted, old.output);
  const left = daysUntil(old.shown!.validToDate);
  t.true(left > 19 && left < 21, String(left));
  t.is(await serverPid(t), pid, 'nothing was restarted');
  for (const name of ['anna', 'bert']) await must(t, `setpriv --reuid prosody --regid prosody --init-groups prosodyctl register ${name} ${domain} of-${name}`);
  t.regex(await chat('with the authority', authorityFile), /with the authority/);
});

test.serial('a client with another authority is refused before it says its password', async (t) => {
  const { accepted, output } = await dial(otherFile);
  t.false(accepted);
  t.regex(output, /unable to get local issuer certificate|self-signed certificate in certificate chain/);
  await t.throwsAsync(chat('never', otherFile), { message: /x509: certificate signed by unknown authority|tls: failed to verify certificate/ });
  const elsewhere = await dial(authorityFile, 'elsewhere.example');
  t.false(elsewhere.accepted);
  t.regex(elsewhere.output, /hostname mismatch/i);
});

test.serial('30 days before the end the timer has it renewed, without a restart', async (t) => {
  const pid = await serverPid(t);
  const before = await dial(authorityFile);
  await must(t, 'office-certificates issue');
  const after = await dial(authorityFile);
  t.true(after.accepted, after.output);
  t.not(after.shown!.serialNumber, before.shown!.serialNumber);
  const left = daysUntil(after.shown!.validToDate);
  t.true(left > 388 && left < 397, String(left));
  t.is(await serverPid(t), pid);
  t.regex(await chat('after the renewal', authorityFile), /after the renewal/);
  // The web server took it, too, under the name and under the address.
  for (const name of [domain, host.address]) {
    const fetched = await run('curl', ['--silent', '--show-error', '--fail', '--cacert', authorityFile, '--resolve', `${domain}:443:${host.address}`, `https://${name}/.well-known/host-meta.json`]);
    t.is(fetched.code, 0, fetched.stderr);
  }
  await must(t, `${shifted('+359d')} office-certificates issue`);
  t.is((await dial(authorityFile)).shown?.serialNumber, after.shown?.serialNumber, '31 days before the end it is kept');
  await must(t, `${shifted('+361d')} office-certificates issue`);
  const next = await dial(authorityFile);
  t.not(next.shown?.serialNumber, after.shown?.serialNumber);
  await must(t, 'office-certificates renew');
  const asked = await dial(authorityFile);
  t.true(asked.accepted, asked.output);
  t.not(asked.shown?.serialNumber, next.shown?.serialNumber);
});

test.serial("Debian's own store takes it: programs that were told nothing trust the host", async (t) => {
  const fetch = `curl --silent --show-error --fail --resolve ${domain}:443:${host.address} https://${domain}/.well-known/host-meta.json`;
  t.is((await host.exec(fetch)).exitCode, 60, 'not trusted yet');
  await must(t, `cp ${authority}/ca.crt /usr/local/share/ca-certificates/office.crt && update-ca-certificates`);
  t.regex(await must(t, fetch), /xmpp-websocket/);
});

test.serial('a stolen authority signs for no other name or address: OpenSSL and GnuTLS refuse', async (t) => {
  const sign = async (alternative: string) => {
    await must(t, `cd /tmp && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj / -keyout x.key -out x.csr 2>/dev/null
      printf 'subjectAltName=${alternative}\\n' >x.ext
      openssl x509 -req -days 9 -in x.csr -CA ${authority}/ca.crt -CAkey ${authority}/ca.key -extfile x.ext -out x.crt 2>/dev/null`);
    const file = path.join(directory, 'forged.crt');
    await writeFile(file, await must(t, 'cat /tmp/x.crt'));
    const openssl = await run('openssl', ['verify', '-CAfile', authorityFile, file]);
    const gnutls = await run('certtool', ['--verify', '--load-ca-certificate', authorityFile, '--infile', file]);
    return { openssl: openssl.code === 0, gnutls: gnutls.code === 0, output: [openssl, gnutls].map(({ stdout, stderr }) => stdout + stderr).join('\n') };
  };
  for (const alternative of [`DNS:${domain}`, `DNS:upload.${domain}`, `IP:${host.address}`]) t.like(await sign(alternative), { openssl: true, gnutls: true }, alternative);
  for (const alternative of ['DNS:bank.example', 'DNS:home', `DNS:${domain},DNS:bank.example`, 'IP:192.0.2.7']) {
    const { output, ...verdict } = await sign(alternative);
    t.deepEqual(verdict, { openssl: false, gnutls: false }, `${alternative}\n${output}`);
  }
});

test.serial('an address that the authority may not sign for is left out, and a name is refused', async (t) => {
  const script = '/usr/local/sbin/office-authority';
  const text = await readFile(path.join(host.root, script), 'utf8');
  const changed = async (from: string, to: string) => {
    await writeFile(path.join(host.root, script), text.replaceAll(from, to));
    const result = await host.exec(`${script} sign`);
    await writeFile(path.join(host.root, script), text);
    return { ...result, names: await must(t, `openssl x509 -noout -ext subjectAltName -in ${authority}/${domain}/fullchain.pem`) };
  };
  const moved = await changed(`address='${host.address}'`, "address='192.168.1.9'");
  t.is(moved.exitCode, 0, moved.stderr);
  t.regex(moved.stderr, /another address than 192\.168\.1\.9: names are trusted, https:\/\/192\.168\.1\.9 is not/);
  const renamed = await changed(`groups.${domain}`, 'groups.example.org');
  t.is(renamed.exitCode, 1);
  t.regex(renamed.stderr, /may not sign for chat\.home groups\.example\.org, only for DNS:chat\.home IP:/);
  t.regex(renamed.stderr, /move \/etc\/prose\/authority away/);
  t.regex(renamed.names, /DNS:groups\.chat\.home/, 'the old one is still there');
  t.is(await must(t, `ls ${authority} | grep -c new || true`), '0');
});

test.serial('no port for other servers, and not a packet to anywhere else', async (t) => {
  const [network] = /[\d.]+\/30/.exec(await must(t, 'ip -4 -o address show dev eth0')) ?? [];
  const peer = (await must(t, 'ip -4 neighbour show dev eth0')).split(' ')[0] ?? '';
  await must(t, `ip route add default via ${peer}
    echo 'nameserver 192.0.2.53' >/etc/resolv.conf
    nft add table inet outside
    nft 'add chain inet outside out { type filter hook output priority 0; }'
    nft add rule inet outside out oifname lo accept
    nft add rule inet outside out ip daddr ${network} accept
    nft add rule inet outside out ip6 daddr fe80::/10 accept
    nft add rule inet outside out ip6 daddr ff00::/8 accept
    nft add rule inet outside out counter drop`);
  const dropped = async () => Number(/packets (\d+)/.exec(await must(t, 'nft list table inet outside'))?.[1]);
  t.is(await must(t, "ss -ltnH | awk '{ print $4 }' | grep -E ':(5269|5270)$' || true"), '', 'nobody listens for servers');
  t.notRegex(await must(t, 'cat /run/prosody/log'), /s2s.*(?:listening|activated)/i);
  const sent = await sendMessage({ jid: `bert@${domain}`, password: 'of-bert', server: `${host.address}:5222`, authorityFile }, 'carla@elsewhere.example', 'to another server');
  t.is(sent.exitCode, 0, sent.stderr);
  await delay(2_000); // a server that goes looking asks the DNS at once
  await must(t, 'office-certificates issue');
  t.is(await dropped(), 0);
  await host.exec('timeout 3 getent ahosts elsewhere.example');
  t.true((await dropped()) > 0, 'what goes out is counted');
});

