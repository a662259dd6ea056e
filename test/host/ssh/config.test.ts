import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import { ShipError } from '../../../src/errors.ts';
import { parseJumps } from '../../../src/host/ssh/address.ts';
import { parseSshConfig, sshConfigCommand } from '../../../src/host/ssh/config.ts';

const home = os.userInfo().homedir;

/** As OpenSSH 9.2 prints it, without the keywords that nobody reads here. */
const captured = `host pi
user admin
hostname Pi.Example
port 2222
addressfamily any
batchmode no
hashknownhosts yes
identitiesonly yes
connecttimeout 7
serveralivecountmax 4
serveraliveinterval 20
hostkeyalias pi-in-the-attic
hostkeyalgorithms ssh-ed25519,rsa-sha2-512
identityagent SSH_AUTH_SOCK
identityfile ~/.ssh/id with space
identityfile ~/.ssh/%r@%h-%p
identityfile none
globalknownhostsfile /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2
userknownhostsfile ~/.ssh/known_hosts "/some where/known"
stricthostkeychecking accept-new
proxyjump me@gate:2200,second
`;

test('the command line asks for one host, and for what overrides ssh_config', (t) => {
  t.deepEqual(sshConfigCommand({ address: 'pi' }), { program: 'ssh', args: ['-G', '--', 'pi'] });
  t.deepEqual(sshConfigCommand({ address: 'pi', user: 'admin', port: 2222 }, '/ssh_config'), {
    program: 'ssh',
    args: ['-G', '-F', '/ssh_config', '-l', 'admin', '-p', '2222', '--', 'pi'],
  });
});

test('what ssh prints is read, with paths expanded', (t) => {
  t.deepEqual(parseSshConfig(captured, 'pi', { SSH_AUTH_SOCK: '/run/agent' }), {
    hostname: 'pi.example',
    port: 2222,
    user: 'admin',
    identityFiles: [`${home}/.ssh/id with space`, `${home}/.ssh/admin@pi.example-2222`],
    identitiesOnly: true,
    identityAgent: '/run/agent',
    userKnownHostsFiles: [`${home}/.ssh/known_hosts`, '/some where/known'],
    globalKnownHostsFiles: ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2'],
    hashKnownHosts: true,
    hostKeyAlias: 'pi-in-the-attic',
    hostKeyAlgorithms: ['ssh-ed25519', 'rsa-sha2-512'],
    strictHostKeyChecking: 'accept-new',
    proxyJumps: [{ address: 'gate', user: 'me', port: 2200 }, { address: 'second' }],
    connectTimeoutMs: 7000,
    serverAliveIntervalMs: 20_000,
    serverAliveCountMax: 4,
  });
});

test('the agent: the environment by default, or what IdentityAgent names', (t) => {
  const agent = (value: string | undefined) => {
    const text = captured.replace('identityagent SSH_AUTH_SOCK\n', value === undefined ? '' : `identityagent ${value}\n`);
    return parseSshConfig(text, 'pi', { SSH_AUTH_SOCK: '/run/agent', OTHER: '/run/other' }).identityAgent;
  };
  t.is(agent(undefined), '/run/agent');
  t.is(agent('none'), undefined);
  t.is(agent('$OTHER'), '/run/other');
  t.is(agent('${OTHER}.sock'), '/run/other.sock');
  t.is(agent('~/%r.sock'), `${home}/admin.sock`);
});

test('what cannot be followed is said', (t) => {
  const withProxy = captured.replace(/proxyjump .*/, 'proxycommand nc %h %p');
  t.throws(() => parseSshConfig(withProxy, 'pi'), { instanceOf: ShipError, code: 'E_SSH_CONFIG', message: /nc %h %p/ });
  const withToken = captured.replace('%r@%h-%p', '%C');
  t.throws(() => parseSshConfig(withToken, 'pi'), { instanceOf: ShipError, code: 'E_SSH_CONFIG', message: /%C/ });
  t.throws(() => parseSshConfig('', 'pi'), { instanceOf: ShipError, code: 'E_SSH_CONFIG', message: /'hostname'/ });
});

test('jump hosts in every spelling', (t) => {
  t.deepEqual(parseJumps('none'), []);
  t.deepEqual(parseJumps('a,b@c:1,[::1]:22,ssh://d@e:2/'), [
    { address: 'a' },
    { address: 'c', user: 'b', port: 1 },
    { address: '::1', port: 22 },
    { address: 'e', user: 'd', port: 2 },
  ]);
  t.throws(() => parseJumps('a:b:c'), { instanceOf: ShipError, code: 'E_SSH_CONFIG', message: /'a:b:c'/ });
});

test("this machine's own ssh is understood", async (t) => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-ssh-config-'));
  try {
    const config = path.join(directory, 'config');
    await writeFile(config, 'Host pi\nHostName 192.0.2.7\nUser admin\nIdentityFile ~/.ssh/pi\nProxyJump me@gate:2200,second\n');
    const { program, args } = sshConfigCommand({ address: 'pi', port: 2022 }, config);
    const settings = parseSshConfig(execFileSync(program, [...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }), 'pi');
    t.like(settings, {
      hostname: '192.0.2.7',
      port: 2022,
      user: 'admin',
      identityFiles: [`${home}/.ssh/pi`],
      identitiesOnly: false,
      proxyJumps: [{ address: 'gate', user: 'me', port: 2200 }, { address: 'second' }],
    });
    t.true(settings.hostKeyAlgorithms.includes('ssh-ed25519'));
    t.is(settings.userKnownHostsFiles[0], `${home}/.ssh/known_hosts`);
    t.is(settings.connectTimeoutMs, undefined);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
