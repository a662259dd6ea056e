import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { writeSshConfiguration } from '../../../src/bake/boot/ssh-access.ts';
import { createContext } from '../../../src/context.ts';
import { sshSettings } from '../../../src/host/ssh/config.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test('ssh itself reads the configuration: only this port, its own known_hosts, the rest of your configuration', async (t) => {
  const directory = await temporaryDirectory('ssh-access');
  const included = path.join(directory, 'mine');
  await writeFile(included, 'Host *\n  ProxyJump elsewhere.example\n  User somebody\n  ServerAliveInterval 7\n  UserKnownHostsFile /mine\n');
  const context = createContext({ environment: { ...process.env, PROSE_SHIP_SSH_CONFIG: included } });
  const { file, command } = await writeSshConfiguration(context, { port: 2222, user: 'ada', identityFile: `${directory}/key`, directory });
  t.is(command, `ssh -F ${file} card`);
  const environment = { ...context.environment, PROSE_SHIP_SSH_CONFIG: file };
  const settings = await sshSettings({ ...context, environment }, { address: 'card' });
  t.like(settings, {
    hostname: '127.0.0.1',
    port: 2222,
    user: 'ada',
    identitiesOnly: true,
    identityFiles: [path.join(directory, 'key')],
    userKnownHostsFiles: [path.join(directory, 'known_hosts')],
    globalKnownHostsFiles: [],
    hostKeyAlias: 'prose-ship-card',
    proxyJumps: [],
    serverAliveIntervalMs: 7000,
  });
});
