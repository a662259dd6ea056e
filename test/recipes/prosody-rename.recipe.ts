import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { readRelease } from '../../src/release/read-release.ts';
import { errorCode, proseShip, type CommandLineResult } from '../support/command-line.ts';
import { createThrowawayHost, type ThrowawayHost } from '../support/hosts/throwaway-host.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/**
 * A site of the recipe prosody gets another domain: with the real Prosody, on this machine's own architecture. Needs what the
 * pipeline's tests need, and python3.
 */
const client = path.resolve(import.meta.dirname, '../support/chat/chat-writer.py');
const [oldDomain, newDomain] = ['chat.example.org', 'example.net'];

let directory: string;
let pi: ThrowawayHost;

test.before('a folder', async () => {
  directory = await temporaryDirectory('rename');
  await writeFile(path.join(directory, 'password'), 'secret');
});

test.serial.beforeEach('a host', async () => {
  pi = await createThrowawayHost({ name: 'rename' });
});

test.serial.afterEach.always('gone', async () => {
  await pi.destroy();
});

function ship(...args: string[]): Promise<CommandLineResult> {
  return proseShip(args, { environment: { PROSE_SHIP_SSH_CONFIG: pi.sshConfigFile }, cwd: directory, input: 'secret\n' });
}

async function makeRelease(version: string, domain: string, storage: string): Promise<string> {
  const file = path.join(directory, `${storage}-${version}.yaml`);
  const lines = ['schema: 1', `name: ${storage}`, `version: ${version}`, 'recipe: prosody', `domain: ${domain}`, 'platforms: [linux/amd64]', `variables: {federation: false, storage: ${storage}}`];
  await writeFile(file, `${lines.join('\n')}\n`);
  const made = await proseShip(['release', '--config', file, '--output', path.join(directory, 'build')]);
  if (made.exitCode !== 0) throw new Error(made.stderr);
  return path.join(directory, `build/release/${storage}-${version}`);
}

/** One query of somebody who logs in with the old password; everything that came up to the answer. */
async function ask(domain: string, user: string, kind: 'get' | 'set', query: string): Promise<string> {
  const { stdout } = await execa('python3', [client, 'ask', pi.address, '5222', domain, user, path.join(directory, 'password'), kind, query]);
  return stdout;
}

async function archive(domain: string, user: string): Promise<string[]> {
  const { stdout } = await execa('python3', [client, 'read', pi.address, '5222', domain, user, path.join(directory, 'password')]);
  return stdout.split('\n').filter(Boolean);
}

const roster = "<query xmlns='jabber:iq:roster'/>";
const listRooms = (storage: string, domain: string) => pi.exec(`docker exec ${storage}-server-1 prosodyctl shell muc list groups.${domain}`);

for (const storage of ['internal', 'sqlite']) {
  test.serial(`${storage}: accounts, contacts, rooms and archives follow to another domain, and come back with a rollback`, async (t) => {
    t.timeout(20 * 60_000);
    const before = await makeRelease('1.0.0', oldDomain, storage);
    t.is((await ship('provision', 'rename')).exitCode, 0);
    const first = await ship('update', 'rename', '--release', before);
    t.is(first.exitCode, 0, first.stderr);
    for (const user of ['anna', 'bob']) t.is((await ship('account', 'add', 'rename', `${user}@${oldDomain}`, '--password-stdin')).exitCode, 0);
    await ask(oldDomain, 'anna', 'set', `<query xmlns='jabber:iq:roster'><item jid='bob@${oldDomain}' name='${oldDomain}'/></query>`);
    const writing = execa('python3', [client, 'write', pi.address, '5222', oldDomain, 'anna', path.join(directory, 'password'), `bob@${oldDomain}`, '60']);
    await once(writing.stdout, 'data');
    writing.kill();
    await writing.catch(() => undefined);
    await pi.exec(`docker exec ${storage}-server-1 prosodyctl shell "muc:create('talk@groups.${oldDomain}', {persistent = true})"`);

    const after = await makeRelease('1.1.0', newDomain, storage);
    const refused = await ship('update', 'rename', '--release', after);
    t.is(refused.exitCode, 3, refused.stderr);
    t.is(errorCode(refused), 'E_DOMAIN_CHANGED');
    t.regex(refused.stderr, /chat\.example\.org -> example\.net, .*groups\.chat\.example\.org -> groups\.example\.net/);
    t.regex(await ask(oldDomain, 'anna', 'get', roster), /bob@/, 'nothing was touched');

    const renamed = await ship('update', 'rename', '--release', after, '--rename-domain');
    t.is(renamed.exitCode, 0, renamed.stderr);
    t.regex(`${renamed.stdout}${renamed.stderr}`, /chat\.example\.org is example\.net.*: 2 accounts/);
    t.regex(await ask(newDomain, 'anna', 'get', roster), /jid='bob@example\.net'/);
    t.regex(await ask(newDomain, 'anna', 'get', roster), /name='chat\.example\.org'/, 'what people wrote stays');
    t.deepEqual(await archive(newDomain, 'bob'), ['number 1']);
    t.regex((await listRooms(storage, newDomain)).stdout, /talk@groups\.example\.net/);

    const back = await ship('rollback', 'rename');
    t.is(back.exitCode, 0, back.stderr);
    t.regex(await ask(oldDomain, 'anna', 'get', roster), /jid='bob@chat\.example\.org'/);
    t.deepEqual(await archive(oldDomain, 'bob'), ['number 1']);
    t.regex((await listRooms(storage, oldDomain)).stdout, /talk@groups\.chat\.example\.org/);
    t.is((await readRelease(after)).manifest.data.names?.['domain'], newDomain);
  });
}
