import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chmod, copyFile, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ShipError } from '../../../src/errors.ts';
import { type ConnectOptions, type Connection, connect } from '../../../src/host/ssh/connection.ts';
import { Link } from '../../support/hosts/link.ts';
import { type SshClient, Sshd, freePort, plainUser } from '../../support/ssh/sshd.ts';

let sshd: Sshd;
test.before(async () => {
  sshd = await Sshd.start();
});
test.after.always(async () => {
  await sshd.stop();
});

async function refused(t: ExecutionContext, client: SshClient, options?: ConnectOptions): Promise<ShipError> {
  const error = await t.throwsAsync(connect(client.context, client.host, options), { instanceOf: ShipError });
  t.is(error.exitStatus, 3);
  return error;
}

async function loggedIn(client: SshClient, options?: ConnectOptions): Promise<Pick<Connection, 'user' | 'uid'>> {
  const connection = await connect(client.context, client.host, options);
  await connection.close();
  return { user: connection.user, uid: connection.uid };
}

test('a known host and a key that it accepts: logged in, and it is known as whom', async (t) => {
  t.deepEqual(await loggedIn(await sshd.client()), { user: 'root', uid: 0 });
  const client = await sshd.client();
  const host = { ...client.host, user: plainUser.name };
  const connection = await connect(client.context, host);
  t.like(connection, { user: plainUser.name, uid: plainUser.uid, name: 'device' });
  await connection.close();
  await connection.close();
});

test('an unknown host key is refused, with its fingerprint in message and remedy, and nothing is stored', async (t) => {
  const client = await sshd.client({ trust: [] });
  const error = await refused(t, client);
  t.is(error.code, 'E_HOST_KEY_UNKNOWN');
  t.true(error.message.includes(`ssh-ed25519 ${sshd.fingerprint('ed25519')}`));
  t.true(error.remedy?.includes(`--accept-host-key ${sshd.fingerprint('ed25519')}`));
  t.is(await readFile(client.knownHostsFile, 'utf8'), '');
});

test('StrictHostKeyChecking of ssh_config does not let an unknown key in', async (t) => {
  const client = await sshd.client({ trust: [], config: ['StrictHostKeyChecking no'] });
  const error = await refused(t, client);
  t.is(error.code, 'E_HOST_KEY_UNKNOWN');
  t.true(error.message.includes('StrictHostKeyChecking'));
});

test('the right fingerprint is accepted and stored, so that the next login needs none', async (t) => {
  const client = await sshd.client({ trust: [] });
  await loggedIn(client, { acceptHostKey: sshd.fingerprint('ed25519') });
  t.is(await readFile(client.knownHostsFile, 'utf8'), `[127.0.0.1]:${sshd.port} ${await sshd.publicHostKey('ed25519')}\n`);
  await loggedIn(client);
  execFileSync('ssh', ['-F', client.configFile, '-o', 'BatchMode=yes', 'device', 'true']);
  t.pass('ssh itself takes the stored line');
});

test('known_hosts is made with its folder where there is none; names are hashed where ssh_config says so', async (t) => {
  const client = await sshd.client({ trust: [] });
  const file = path.join(client.directory, 'new', 'known_hosts');
  const config = await readFile(client.configFile, 'utf8');
  await writeFile(client.configFile, config.replace(client.knownHostsFile, file).replace('HashKnownHosts no', 'HashKnownHosts yes'));
  await loggedIn(client, { acceptHostKey: sshd.fingerprint('ed25519') });
  t.is((await stat(file)).mode & 0o777, 0o600);
  t.regex(await readFile(file, 'utf8'), /^\|1\|[^ ]+\|[^ ]+ ssh-ed25519 \S+\n$/);
  await loggedIn(client);
});

test('a wrong fingerprint accepts nothing', async (t) => {
  const client = await sshd.client({ trust: [] });
  const error = await refused(t, client, { acceptHostKey: sshd.fingerprint('rsa') });
  t.is(error.code, 'E_HOST_KEY_UNKNOWN');
  t.is(await readFile(client.knownHostsFile, 'utf8'), '');
});

test('the user is asked once, and answers for good', async (t) => {
  const client = await sshd.client({ trust: [] });
  const questions: unknown[] = [];
  const answer = (yes: boolean) => ({
    confirmHostKey: (question: unknown) => {
      questions.push(question);
      return Promise.resolve(yes);
    },
  });
  t.is((await refused(t, client, answer(false))).code, 'E_HOST_KEY_UNKNOWN');
  await loggedIn(client, answer(true));
  await loggedIn(client, answer(false));
  const question = { host: `[127.0.0.1]:${sshd.port}`, type: 'ssh-ed25519', fingerprint: sshd.fingerprint('ed25519') };
  t.deepEqual(questions, [question, question]);
});

test('a changed host key is refused, also with its fingerprint; the old line is named', async (t) => {
  await using changing = await Sshd.start();
  const client = await changing.client();
  await loggedIn(client);
  await changing.changeHostKeys();
  const before = await readFile(client.knownHostsFile, 'utf8');
  const policy = { acceptHostKey: changing.fingerprint('ed25519'), confirmHostKey: () => Promise.resolve(true) };
  for (const options of [{}, policy]) {
    const error = await refused(t, client, options);
    t.is(error.code, 'E_HOST_KEY_CHANGED');
    t.deepEqual(error.place, { file: client.knownHostsFile, line: 1 });
    t.true(error.message.includes(changing.fingerprint('ed25519')));
    t.true(error.remedy?.includes('line 1 of'));
  }
  t.is(await readFile(client.knownHostsFile, 'utf8'), before);
});

test('a revoked host key is refused even where it is known, too', async (t) => {
  const client = await sshd.client();
  await appendFile(client.knownHostsFile, `@revoked * ${await sshd.publicHostKey('ed25519')}\n`);
  const error = await refused(t, client);
  t.is(error.code, 'E_HOST_KEY_REVOKED');
  t.is(error.place?.line, 3);
});

test('the host is asked for the type of key that is known', async (t) => {
  t.is((await loggedIn(await sshd.client({ trust: ['rsa'] }))).uid, 0);
});

test('hashed names in known_hosts are found', async (t) => {
  const client = await sshd.client({ hashed: true });
  t.regex(await readFile(client.knownHostsFile, 'utf8'), /^\|1\|/);
  t.is((await loggedIn(client)).uid, 0);
});

test('an agent logs in; it is not asked for what IdentitiesOnly leaves out', async (t) => {
  const nothing = path.join(sshd.directory, 'no-such-key');
  const client = await sshd.client({ config: [`IdentityFile ${nothing}`] });
  const config = await readFile(client.configFile, 'utf8');
  const socket = path.join(client.directory, 'agent');
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    await once(agent.stdout, 'data');
    execFileSync('ssh-add', ['-q', sshd.clientKey], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'ignore' });
    const withAgent = { ...client, context: { ...client.context, environment: { ...client.context.environment, SSH_AUTH_SOCK: socket } } };

    await writeFile(client.configFile, config.replace(`IdentityFile ${sshd.clientKey}\n`, '').replace('IdentitiesOnly yes', 'IdentitiesOnly no'));
    t.is((await loggedIn(withAgent)).uid, 0);

    await writeFile(client.configFile, config.replace(`IdentityFile ${sshd.clientKey}\n`, ''));
    const error = await refused(t, withAgent);
    t.is(error.code, 'E_AUTHENTICATION');
    t.true(error.message.includes(`0 of 1 keys of the agent at ${socket}`));
  } finally {
    await ended(agent);
  }
});

test('an agent that does not answer does not stop the key files', async (t) => {
  const client = await sshd.client({ config: ['IdentityAgent /nonexistent/agent'] });
  t.is((await loggedIn(client)).uid, 0);
});

test('a key with a passphrase and no agent: said so, with the command that helps', async (t) => {
  const client = await sshd.client();
  const key = path.join(client.directory, 'locked');
  await copyFile(sshd.clientKey, key);
  await chmod(key, 0o600);
  execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'correct horse', '-f', key], { stdio: 'ignore' });
  const config = await readFile(client.configFile, 'utf8');
  await writeFile(client.configFile, config.replace(sshd.clientKey, key));
  const error = await refused(t, client);
  t.is(error.code, 'E_AUTHENTICATION');
  t.true(error.message.includes(`not ${key}, which has a passphrase`));
  t.true(error.remedy?.includes(`ssh-add ${key}`));
});

test('a user that the host does not know: what was tried, and what the host accepts', async (t) => {
  const client = await sshd.client();
  const error = await refused(t, { ...client, host: { ...client.host, user: 'nobody-here', name: 'attic' } });
  t.is(error.code, 'E_AUTHENTICATION');
  t.true(error.message.startsWith(`attic does not let 'nobody-here' in: tried ${sshd.clientKey}; the host accepts publickey`), error.message);
  t.true(error.remedy?.includes('ssh-copy-id nobody-here@127.0.0.1'));
});

test('through a jump host, whose key is checked against its own line', async (t) => {
  await using jump = await Sshd.start();
  const section = [
    'Host gate',
    'HostName 127.0.0.1',
    `Port ${jump.port}`,
    `User ${plainUser.name}`,
    `IdentityFile ${jump.clientKey}`,
    'IdentitiesOnly yes',
  ];
  const client = await sshd.client({ config: ['ProxyJump gate'], sections: section });
  const error = await refused(t, client);
  t.is(error.code, 'E_HOST_KEY_UNKNOWN');
  t.true(error.message.includes(`[127.0.0.1]:${jump.port}`));

  await appendFile(client.knownHostsFile, `[127.0.0.1]:${jump.port} ${await jump.publicHostKey('ed25519')}\n`);
  const connection = await connect(client.context, client.host);
  const { stdout } = await connection.run(['sh', '-c', 'echo "$SSH_CONNECTION"']);
  t.true(stdout.endsWith(` ${sshd.port}`));
  await connection.close();

  const unknown = await sshd.client({ trust: [], config: ['ProxyJump gate'], sections: section });
  await appendFile(unknown.knownHostsFile, `[127.0.0.1]:${jump.port} ${await jump.publicHostKey('ed25519')}\n`);
  t.true((await refused(t, unknown)).message.includes(`[127.0.0.1]:${sshd.port}`), 'the host behind it is checked as well');
});

test('a jump host from which the host cannot be reached', async (t) => {
  const port = await freePort();
  const client = await sshd.client({
    config: [`Port ${port}`, 'ProxyJump gate'],
    sections: ['Host gate', 'HostName 127.0.0.1', `Port ${sshd.port}`, 'User root', `IdentityFile ${sshd.clientKey}`],
  });
  const error = await refused(t, client);
  t.is(error.code, 'E_HOST_UNREACHABLE');
  t.true(error.message.startsWith(`127.0.0.1 port ${port} cannot be reached from gate`), error.message);
});

test('a circle of jump hosts ends', async (t) => {
  const client = await sshd.client({ config: ['ProxyJump device'] });
  t.is((await refused(t, client)).code, 'E_SSH_CONFIG');
});

test('nobody listens', async (t) => {
  const port = await freePort();
  const client = await sshd.client({ config: [`Port ${port}`] });
  const error = await refused(t, client);
  t.is(error.code, 'E_HOST_UNREACHABLE');
  t.is(error.message, `127.0.0.1 port ${port} cannot be reached: refused`);
});

test('somebody listens who does not speak SSH', async (t) => {
  await using link = await Link.to(sshd.port);
  link.refuseToSpeak();
  const client = await sshd.client({ config: [`Port ${link.port}`, 'ConnectTimeout 1'] });
  const error = await refused(t, client);
  t.is(error.code, 'E_HOST_UNREACHABLE');
  t.true(error.message.endsWith('no SSH server answered in 1 s'), error.message);
});

test('ProxyCommand is not run, and it is said', async (t) => {
  const marker = path.join(sshd.directory, 'proxy-command-ran');
  const client = await sshd.client({ config: [`ProxyCommand touch ${marker}`] });
  const error = await refused(t, client);
  t.is(error.code, 'E_SSH_CONFIG');
  t.true(error.remedy?.includes('ProxyJump'));
  await t.throwsAsync(stat(marker), { code: 'ENOENT' });
});

test('what ssh does not accept in its configuration is named with its line', async (t) => {
  const client = await sshd.client({ config: ['NoSuchOption 1'] });
  const error = await refused(t, client);
  t.is(error.code, 'E_SSH_CONFIG');
  t.deepEqual(error.place, { file: client.configFile, line: 2 });
  t.true(error.output?.toLowerCase().includes('nosuchoption'));
});

test('an address that would be an option of ssh is refused', async (t) => {
  const client = await sshd.client();
  const error = await refused(t, { ...client, host: { address: '-oProxyCommand=true' } });
  t.is(error.code, 'E_SSH_CONFIG');
});

test('interrupted while it waits for the host', async (t) => {
  await using link = await Link.to(sshd.port);
  link.refuseToSpeak();
  const client = await sshd.client({ config: [`Port ${link.port}`] });
  const controller = new AbortController();
  const context = { ...client.context, signal: controller.signal };
  void link.joined().then(() => controller.abort());
  const startedAt = performance.now();
  await t.throwsAsync(connect(context, client.host), { instanceOf: ShipError, code: 'E_INTERRUPTED' });
  t.true(performance.now() - startedAt < 14_000, 'before the timeout');
});

async function ended(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill();
  await exit;
}
