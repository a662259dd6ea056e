import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import { entry, node, proseShip } from '../../support/command-line.ts';
import { packedRelease } from '../../support/releases/packed-release.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { createThrowawayHost } from '../../support/hosts/throwaway-host.ts';

/** `push` killed on the laptop and repeated, through the command line. Needs root, Linux, dockerd, sshd. */
const mebibyte = 1024 * 1024;

async function sentBytes(address: string): Promise<number> {
  const { stdout } = await execa('ip', ['route', 'get', address]);
  return Number(await readFile(`/sys/class/net/${/ dev (\S+)/.exec(stdout)![1]!}/statistics/tx_bytes`, 'utf8'));
}

test('a push whose process was killed goes on where it was, at the rate that was asked for', async (t) => {
  t.timeout(3 * 60_000);
  const release = await packedRelease([{ 'etc/base': randomBytes(40 * mebibyte) }, { 'app/version': '1\n' }]);
  const host = await createThrowawayHost({ name: 'killed' });
  try {
    const environment = { PROSE_SHIP_SSH_CONFIG: host.sshConfigFile };
    const cwd = await temporaryDirectory('push-resume');
    await host.exec('mkdir -p /etc/prose-ship && echo linux/arm64 >/etc/prose-ship/platforms');
    const provisioned = await proseShip(['provision', 'killed'], { environment, cwd });
    t.is(provisioned.exitCode, 0, provisioned.stderr);

    const push = ['push', 'killed', '--release', release.directory, '--limit-rate', '60'];
    const images = path.join(host.root, 'var/lib/prose-ship/incoming', release.manifest.id, 'images');
    const before = await sentBytes(host.address);
    const killed = execa(node, [entry, ...push], { reject: false, env: { CI: '1', ...environment }, cwd });
    const doneChunks = async () => {
      const map = (await readdir(images).catch(() => [])).find((name) => name.endsWith('.chunks'));
      return map === undefined ? 0 : (await readFile(path.join(images, map), 'utf8')).split('1').length - 1;
    };
    let firstAt = 0;
    let firstChunks = 0;
    let chunks = 0;
    for (let waited = 0; chunks < 24 && waited < 600; waited += 1) {
      await delay(50);
      chunks = await doneChunks();
      if (chunks > 0 && firstAt === 0) {
        firstAt = performance.now();
        firstChunks = chunks;
      }
    }
    const rate = ((chunks - firstChunks) * mebibyte * 8) / 1000 / (performance.now() - firstAt);
    killed.kill('SIGKILL');
    await killed;
    t.true(chunks >= 24);
    t.true(rate < 75, `${rate} Mbit/s between the first chunks and the last`);
    t.is((await host.exec('docker images -q')).stdout, '');

    const again = await proseShip(push.slice(0, -2), { environment, cwd });
    t.is(again.exitCode, 0, again.stderr);
    const percent = Number(/"detail":"resumed at (\d+) %"/.exec(again.stdout)?.[1]);
    t.true(percent >= 55 && percent < 100, again.stdout);
    const crossed = (await sentBytes(host.address)) - before;
    t.log(`resumed at ${percent} %; ${crossed} bytes crossed for ${40 * mebibyte}`);
    t.true(crossed < 40 * mebibyte * 1.05 + 19 * mebibyte, String(crossed));
    t.is((await host.exec('docker images -q')).stdout.split('\n').length, 1);
    t.is((await host.exec('find /var/lib/prose-ship/incoming /var/lib/prose-ship/releases -name ".*" -type f')).stdout, '');
  } finally {
    await host.destroy();
  }
});

test('a rate that is none is refused before anything is looked at', async (t) => {
  for (const rate of ['0', '-3', 'fast', '1e3']) {
    const refused = await proseShip(['push', 'nowhere', `--limit-rate=${rate}`]);
    t.is(refused.exitCode, 2);
    t.regex(refused.stderr + refused.stdout, new RegExp(`'${rate}' is not a rate`));
  }
});
