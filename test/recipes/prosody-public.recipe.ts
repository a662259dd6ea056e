import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import { Authority } from '../support/chat/authority.ts';
import { Laptop, type Login } from '../support/chat/laptop.ts';
import { NativeChat } from '../support/chat/native-chat.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/**
 * The recipe prosody with the profile public and PostgreSQL: one release for this machine's own processor, rolled out to a throw-away
 * host with nginx and coturn, and used by clients that know nothing of prose-ship and check every certificate. Needs what the pipeline's
 * tests need, and nginx, coturn and slixmpp of Debian.
 */
const domain = 'example.org';
const hostName = 'xmpp.example.org';
const rooms = 'groups.example.org';
const anna: Login = { jid: `anna@${domain}`, password: 'a pass word: "ünder" 100%' };
const bert: Login = { jid: `bert@${domain}`, password: "bert's secret" };
const people = [anna, bert];

let chat: NativeChat;
let laptop: Laptop;
let authority: Authority;

function site(more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const variables = { admins: [anna.jid], contact: ['mailto:admin@example.org'], host_name: hostName, ipv4: chat.host.address, storage: 'postgresql', log_level: 'debug' };
  return { profile: 'public', domain, variables: { ...variables, ...more } };
}

/** Leaves a certificate where certbot does, and runs its deploy hook. */
async function renew(): Promise<void> {
  const { privateKey, fullChain } = await authority.issue([domain, hostName, rooms, `proxy.${domain}`]);
  const live = `/etc/letsencrypt/live/${domain}`;
  for (const [name, text] of [['privkey.pem', privateKey], ['fullchain.pem', fullChain]] as const) await chat.host.exec(`mkdir -p ${live} && cat >${live}/${name}`, { input: text });
  await chat.inside(`RENEWED_LINEAGE=${live} /etc/letsencrypt/renewal-hooks/deploy/chat`);
}

async function sha256Of(file: string): Promise<string> {
  return (await execa('sha256sum', [file])).stdout.split(' ')[0] ?? '';
}

test.before('build and roll out a release', async (t) => {
  t.timeout(20 * 60_000);
  const directory = await temporaryDirectory('prosody-public');
  chat = await NativeChat.create(directory, 'public');
  authority = await Authority.create(directory);
  laptop = await Laptop.create(directory, { address: chat.host.address, names: [domain, hostName], authorityFile: authority.certificateFile });
  await chat.update('1.0.0', site());
  await chat.addAccounts(people);
});

test.after.always(async () => {
  await (chat as NativeChat | undefined)?.host.destroy();
});

test.serial('the placeholder is trusted by nobody; a renewed certificate reaches Prosody, nginx and coturn', async (t) => {
  t.deepEqual(await laptop.xmpp('login', { people: [anna] }), { error: 'ssl_invalid_chain' });
  await renew();
  for (const [port, options] of [[5222, `-starttls xmpp -xmpphost ${domain}`], [5223, `-servername ${domain}`], [443, `-servername ${hostName}`], [5349, '']] as const) {
    const answer = async () => (await laptop.run(['sh', '-c', `openssl s_client -connect ${hostName}:${port} ${options} -verify_return_error -verify_hostname ${domain} </dev/null 2>&1`])).stdout;
    // Each reads its files anew in its own time.
    for (let asked = 0; asked < 20 && !(await answer()).includes('Verify return code: 0'); asked += 1) await delay(500);
    t.regex(await answer(), /Verify return code: 0 \(ok\)/, String(port));
  }
});

test.serial('people log in with SCRAM, after STARTTLS and with TLS from the first byte; a wrong password does not', async (t) => {
  // slixmpp binds SCRAM to the channel in a way that TLS 1.3 has no longer; there it falls back on PLAIN.
  t.deepEqual(await laptop.xmpp('login', { people: [anna], tls: 'TLSv1_2' }), { jid: anna.jid, tls: 'TLSv1.2', mechanism: 'SCRAM-SHA-1-PLUS' });
  t.deepEqual(await laptop.xmpp('login', { people: [bert], tls: 'TLSv1_2', direct: true, port: 5223 }), { jid: bert.jid, tls: 'TLSv1.2', mechanism: 'SCRAM-SHA-1-PLUS' });
  t.like(await laptop.xmpp('login', { people: [anna], direct: true, port: 5223 }), { jid: anna.jid, tls: 'TLSv1.3' });
  t.deepEqual(await laptop.xmpp('login', { people: [{ ...anna, password: bert.password }] }), { error: 'failed_all_auth' });
});

test.serial('a message arrives, and is in the archives of both', async (t) => {
  const text = 'Grüße & <tags>';
  t.deepEqual(await laptop.xmpp('message', { people, text }), { from: anna.jid, body: text, archives: [[text], [text]] });
});

test.serial('a room is made, heard, and keeps an archive', async (t) => {
  const room = `garden@${rooms}`;
  t.deepEqual(await laptop.xmpp('room', { people, room, text: 'in the garden' }), { from: `${room}/anna`, body: 'in the garden', archive: ['in the garden'] });
});

test.serial('a file goes up and comes down through nginx; one that is too large is refused', async (t) => {
  // More than nginx and Prosody take where nobody tells them to take more.
  const sent = await laptop.xmpp('upload', { people: [anna], name: 'long text.txt', size: 12 * 1024 * 1024 });
  const url = String(sent['url']);
  t.true(url.startsWith(`https://${hostName}/file_share/`), JSON.stringify(sent));
  const file = path.join(await temporaryDirectory('upload'), 'file');
  const got = await laptop.run(['curl', '-fsS', '-D', '-', '-o', file, url]);
  t.is(got.exitCode, 0, got.stderr);
  t.regex(got.stdout, /^HTTP\/\S+ 200[^]*^server: nginx\r$/im);
  t.is(await sha256Of(file), String(sent['sha256']));
  t.regex(String((await laptop.xmpp('upload', { people: [anna], name: 'film', size: 50 * 1024 * 1024 + 1 }))['error']), /FileTooBig/);
  // A few bytes: with more on their way, nginx may only see that Prosody closes, and says 502.
  const forged = await laptop.run(['curl', '-sS', '-o', '/dev/null', '-w', '%{http_code}', '-X', 'PUT', '-d', 'forged', url]);
  t.regex(forged.stdout, /^40[13]$/);
});

test.serial('old clients send bytes through the proxy', async (t) => {
  const sent = await laptop.xmpp('bytestream', { people, text: 'through the proxy' });
  t.deepEqual(sent, { proxies: [[`proxy.${domain}`, hostName, 5000]], arrived: 'through the proxy' });
});

test.serial('web clients find BOSH and the WebSocket, and have a session each way', async (t) => {
  const { bosh, websocket } = await laptop.web(domain, bert);
  t.like(bosh, { url: `https://${hostName}/http-bind`, pong: true });
  t.like(websocket, { url: `wss://${hostName}/xmpp-websocket`, pong: true });
  for (const { jid } of [bosh, websocket]) t.true(jid.startsWith(`${bert.jid}/`), jid);
  const plain = await laptop.run(['curl', '-sS', '-o', '/dev/null', '-w', '%{http_code} %{redirect_url}', `http://${hostName}/http-bind`]);
  t.is(plain.stdout, `301 https://${hostName}/http-bind`);
  t.not((await laptop.run(['curl', '-sS', '-m', '5', `http://${hostName}:5280/`])).exitCode, 0, 'only nginx reaches the own port of Prosody');
});

test.serial('clients get credentials for calls, which coturn takes; with wrong ones it relays nothing', async (t) => {
  t.timeout(3 * 60_000);
  const { services } = (await laptop.xmpp('services', { people: [anna] })) as { services: Record<string, string>[] };
  t.deepEqual(services.map(({ type, transport, host, port }) => `${type} ${transport} ${host} ${port}`).sort(), [
    `stun tcp ${hostName} 3478`,
    `stun udp ${hostName} 3478`,
    `turn tcp ${hostName} 3478`,
    `turn udp ${hostName} 3478`,
    `turns tcp ${hostName} 5349`,
  ]);
  const [turn, turns] = ['turn', 'turns'].map((kind) => services.find(({ type }) => type === kind)!);
  const relay = ({ username = '' }: Record<string, string>, secret: string, options: readonly string[] = []) =>
    laptop.run(['timeout', '40', 'turnutils_uclient', '-y', '-c', '-n', '4', '-m', '1', '-u', username, '-w', secret, ...options, chat.host.address]);
  for (const transport of [[], ['-t']]) {
    const relayed = await relay(turn!, turn!['password'] ?? '', ['-p', '3478', ...transport]);
    t.is(relayed.exitCode, 0, relayed.stdout);
    t.regex(relayed.stdout, /Total lost packets 0 \(0\.0+%\)/);
  }
  const withTls = await relay(turns!, turns!['password'] ?? '', ['-v', '-p', '5349', '-t', '-S']);
  t.regex(withTls.stdout, /allocate response received:\s*\n.*success/);
  const refused = await relay(turn!, `${turn!['password'] ?? ''}x`, ['-p', '3478']);
  t.not(refused.exitCode, 0);
  t.regex(refused.stdout, /Cannot complete Allocation/);
  t.regex((await laptop.run(['turnutils_stunclient', '-p', '3478', chat.host.address])).stdout, /UDP reflexive addr/);
});

test.serial('prosodyctl finds nothing wrong with configuration and certificates', async (t) => {
  const config = await chat.inside('docker exec chat-server-1 prosodyctl check config');
  t.deepEqual(config.split('\n').filter((line) => /^\S/.test(line)), ['Checking config...', 'Done.', 'All checks passed, congratulations!'], config);
  const certificates = await chat.inside('docker exec chat-server-1 prosodyctl check certs');
  t.regex(certificates, new RegExp(`Checking certificate for ${domain}\n  Certificate: /var/lib/prosody/certs/\\S+\\.crt`));
  t.regex(certificates, /All checks passed/);
});

test.serial('passwords are stored hashed; that of the database is nowhere but in its file', async (t) => {
  const query = `SELECT "user", key FROM prosody WHERE store = 'accounts' ORDER BY 1, 2`;
  const rows = (await chat.inside(`docker exec chat-database-1 psql -tA -F ' ' -d prosody -c ${JSON.stringify(query).replaceAll('$', '\\$')}`)).split('\n');
  t.true(rows.includes('anna stored_key') && rows.includes('bert server_key') && !rows.some((row) => row.endsWith(' password')), rows.join('\n'));
  const everything = await chat.inside('docker exec chat-database-1 pg_dump -d prosody');
  for (const { password } of people) t.false(everything.includes(password));
  const secret = await chat.inside('cat /var/lib/prose-ship/secrets/postgresql_secret');
  t.is(secret.length, 43);
  const places = {
    files: 'cat /var/lib/prose-ship/releases/*/* /var/lib/prose-ship/files/*/* 2>/dev/null; :',
    containers: 'docker inspect $(docker ps -aq)',
    logs: 'for one in $(docker ps -aq); do docker logs "$one" 2>&1; done; cat /var/lib/prose-ship/log/*',
    arguments: 'cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n"',
  };
  for (const [name, script] of Object.entries(places)) {
    const text = await chat.inside(script);
    t.true(text.length > 500, name);
    t.false(text.includes(secret), name);
  }
  t.not((await chat.host.exec(`docker exec chat-server-1 bash -c 'exec 3<>/dev/tcp/127.0.0.1/5432'`)).exitCode, 0);
  t.is(await chat.inside('docker port chat-database-1'), '');
});

test.serial('logs prints what services say', async (t) => {
  const { stdout, stderr, exitCode } = await chat.ship(['logs', 'public', 'server', '--tail', '2000']);
  t.is(exitCode, 0, stderr);
  t.regex(stdout, /Authenticated as anna@example\.org/);
  t.notRegex(stdout, /database-1/);
  for (const { password } of people) t.false(stdout.includes(password));
});

test.serial('an update keeps accounts, archives and the password of the database; the backup has its data', async (t) => {
  t.timeout(10 * 60_000);
  const before = await chat.inside('docker inspect -f "{{.Id}}" chat-database-1; cat /var/lib/prose-ship/secrets/*');
  await chat.update('1.0.1', site({ welcome_message: 'Hello!' }));
  t.is(await chat.inside('docker inspect -f "{{.Id}}" chat-database-1; cat /var/lib/prose-ship/secrets/*'), before, 'the database runs on');
  t.like(await laptop.xmpp('archive', { people: [bert] }), { bodies: ['Grüße & <tags>'] });
  t.like(await laptop.xmpp('archive', { people: [bert], of: `garden@${rooms}` }), { bodies: ['in the garden'] });
  const file = path.join(await temporaryDirectory('backup'), 'backup.tar.gz');
  await chat.succeed(['backup', 'public', file]);
  const { stdout } = await execa('tar', ['-tzf', file]);
  t.regex(stdout, /^volumes\/database\/17\/main\/global\/pg_control$/m);
  t.regex(stdout, /^volumes\/data\/certs\//m);
  t.notRegex(stdout, /secrets/);
  t.like(await laptop.xmpp('login', { people: [anna] }), { jid: anna.jid });
});

test.serial('after a power cut, with another password and a database that is late, people still get in', async (t) => {
  t.timeout(5 * 60_000);
  await chat.inside('docker stop chat-server-1 chat-database-1 && printf another-password >/var/lib/prose-ship/secrets/postgresql_secret');
  await chat.inside('docker start chat-server-1 && sleep 3 && docker start chat-database-1');
  for (let asked = 0; asked < 60; asked += 1) {
    if ((await chat.host.exec("docker inspect -f '{{.State.Health.Status}}' chat-server-1")).stdout === 'healthy') break;
    await delay(500);
  }
  t.like(await laptop.xmpp('archive', { people: [anna], of: `garden@${rooms}` }), { bodies: ['in the garden'] });
  await chat.inside('docker restart chat-database-1');
  for (let asked = 0; asked < 60 && (await chat.host.exec('docker exec chat-database-1 pg_isready -q -h 127.0.0.1')).exitCode !== 0; asked += 1) await delay(500);
  t.like(await laptop.xmpp('archive', { people: [anna] }), { bodies: ['Grüße & <tags>'] });
});
