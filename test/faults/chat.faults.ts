import { execFile } from 'node:child_process';
import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import test from 'ava';
import { execa } from 'execa';
import { readRelease } from '../../src/release/read-release.ts';
import { proseShip, type CommandLineResult } from '../support/command-line.ts';
import { domain, siteName, writeProsodySite } from '../support/chat/prosody-site.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { createThrowawayHost, type ThrowawayHost } from '../support/hosts/throwaway-host.ts';

/**
 * Somebody chats while Prosody is updated. Needs root, Linux, dockerd, buildx, mmdebstrap or a registry, sshd, python3;
 * fails without. The image is built for this machine's own processor, so that gaps are those of the work.
 */
const execute = promisify(execFile);
const repository = path.resolve(import.meta.dirname, '../..');
const client = path.join(repository, 'test/support/chat/chat-writer.py');
const platform = 'linux/amd64';
const rounds = 3;
const intervalSeconds = 0.05;

let directory: string;
let host: ThrowawayHost;
const releases: string[] = [];

async function ship(...args: string[]): Promise<CommandLineResult> {
  const done = await proseShip(args, { environment: { PROSE_SHIP_SSH_CONFIG: host.sshConfigFile }, cwd: directory });
  if (done.exitCode !== 0) throw new Error(`prose-ship ${args.join(' ')}: ${done.stderr}`);
  return done;
}

async function makeRelease(version: string, componentVersion: string): Promise<string> {
  const recipe = path.join(directory, 'recipe');
  await cp(path.join(repository, 'recipes/prosody'), recipe, { recursive: true });
  const file = path.join(recipe, 'recipe.yaml');
  await writeFile(file, (await readFile(file, 'utf8')).replace(/soakSeconds: \d+/, 'soakSeconds: 1'));
  const site = await writeProsodySite({ directory: path.join(directory, 'site'), version, componentVersion, recipe, platforms: [platform] });
  const made = await proseShip(['release', '--config', site, '--output', path.join(directory, 'build')]);
  if (made.exitCode !== 0) throw new Error(made.stderr);
  return path.join(directory, 'build/release', `${siteName}-${version}`);
}

test.before('two releases, a host that runs the first, two people', async (t) => {
  t.timeout(20 * 60_000);
  directory = await temporaryDirectory('chat');
  releases.push(await makeRelease('1.0.0', '13.0.1-r1'), await makeRelease('1.0.1', '13.0.1-r2'));
  host = await createThrowawayHost({ name: 'chatty' });
  await ship('provision', 'chatty');
  await ship('update', 'chatty', '--release', releases[0]!);
  for (const name of ['alice', 'bob']) {
    await writeFile(path.join(directory, name), `${name}'s`);
    const added = await host.exec(`docker exec -i ${siteName}-server-1 prosodyctl adduser ${name}@${domain}`, { input: `${name}'s\n${name}'s\n` });
    if (added.exitCode !== 0) throw new Error(added.stderr + added.stdout);
  }
});

test.after.always('gone', async () => {
  await (host as ThrowawayHost | undefined)?.destroy();
});

test('no message that the server took is lost by an update, and the gap is that of `docker compose up`', async (t) => {
  t.timeout(10 * 60_000);
  const login = [host.address, '5222', domain];
  const writer = execa('python3', [client, 'write', ...login, 'alice', path.join(directory, 'alice'), `bob@${domain}`, String(intervalSeconds)], { reject: false, buffer: false });
  const acknowledged: { readonly atMs: number; readonly number: number }[] = [];
  createInterface({ input: writer.stdout }).on('line', (line) => {
    const [atMs = 0, number = 0] = line.split(' ').map(Number);
    acknowledged.push({ atMs, number });
  });
  let complaints = '';
  writer.stderr.on('data', (chunk: Buffer) => (complaints += String(chunk)));
  /** The longest time without an answer around what `change` does. */
  const gapOf = async (change: () => Promise<unknown>): Promise<number> => {
    const talking = async (): Promise<void> => {
      const before = acknowledged.length;
      for (let waitedMs = 0; acknowledged.length < before + 5; waitedMs += 100) {
        if (waitedMs > 60_000) throw new Error(`Nobody answers: ${complaints.slice(-500)}`);
        await delay(100);
      }
    };
    await talking();
    const first = acknowledged.length - 1;
    await change();
    await talking();
    const times = acknowledged.slice(first).map(({ atMs }) => atMs);
    return Math.max(...times.slice(1).map((atMs, index) => atMs - times[index]!));
  };

  try {
    const ids = await Promise.all(releases.map(async (one) => (await readRelease(one)).manifest.id));
    const compose = (id: string): Promise<unknown> => host.exec(`docker compose --project-name ${siteName} --file /var/lib/prose-ship/releases/${id}/compose.yaml up -d`, { timeoutMs: 60_000 });
    await ship('update', 'chatty', '--release', releases[1]!);
    const gaps: { ours: number[]; plain: number[] } = { ours: [], plain: [] };
    for (let round = 0; round < rounds; round += 1) {
      // What runs is 1.0.1 by our hand; there and back again, once each way.
      gaps.plain.push(await gapOf(() => compose(ids[0]!)), await gapOf(() => compose(ids[1]!)));
      gaps.ours.push(await gapOf(() => ship('rollback', 'chatty')), await gapOf(() => ship('rollback', 'chatty')));
    }
    writer.kill('SIGKILL');
    await writer;
    const { stdout } = await execute('python3', [client, 'read', ...login, 'bob', path.join(directory, 'bob')], { maxBuffer: 64 * 1024 ** 2 });
    const kept = new Set(stdout.split('\n'));
    const lost = acknowledged.filter(({ number }) => !kept.has(`number ${number}`));
    const [ours, plain] = [median(gaps.ours), median(gaps.plain)];
    t.log(`${acknowledged.length} messages acknowledged, ${lost.length} lost; gap ${ours} ms (${gaps.ours.join(', ')}), docker compose up -d ${plain} ms (${gaps.plain.join(', ')}): ${(ours / plain).toFixed(2)}`);
    t.true(acknowledged.length > 100);
    t.deepEqual(lost, []);
    t.true(ours < plain * 1.5 + 500, 'the target is 1.1; a busy machine spreads it');
  } finally {
    writer.kill('SIGKILL');
  }
});

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}
