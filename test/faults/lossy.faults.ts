import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { proseShip } from '../support/command-line.ts';
import { LossyLink } from '../support/long-line/lossy-link.ts';
import { packedRelease } from '../support/releases/packed-release.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { createThrowawayHost } from '../support/hosts/throwaway-host.ts';

/** A push over a link that delays, loses and resets: it is repeated until it is through, and sends little twice. Needs root, Linux, dockerd, sshd. */
const mebibyte = 1024 * 1024;
const sizeMiB = 24;

test('a push over a bad link gets through, and what arrived is not sent again', async (t) => {
  t.timeout(5 * 60_000);
  const release = await packedRelease([{ 'etc/base': randomBytes(sizeMiB * mebibyte) }, { 'app/version': '1\n' }]);
  const host = await createThrowawayHost({ name: 'far' });
  try {
    await host.exec('mkdir -p /etc/prose-ship && echo linux/arm64 >/etc/prose-ship/platforms');
    const provisioned = await proseShip(['provision', 'far'], { environment: { PROSE_SHIP_SSH_CONFIG: host.sshConfigFile } });
    t.is(provisioned.exitCode, 0, provisioned.stderr);
    await using link = await LossyLink.to({ host: host.address, port: 22 }, { delayMs: 20, lossEvery: 100, resetAfterBytes: 7 * mebibyte });
    const directory = await temporaryDirectory('lossy');
    const config = path.join(directory, 'ssh_config');
    const own = (await readFile(host.sshConfigFile, 'utf8')).replace(/^ {2}HostName .*$/m, `  HostName 127.0.0.1\n  Port ${link.port}\n  HostKeyAlias ${host.address}`);
    await writeFile(config, own);
    const attempts: string[] = [];
    for (let status: number | undefined = 1; status !== 0; ) {
      const pushed = await proseShip(['push', 'far', '--release', release.directory], { environment: { PROSE_SHIP_SSH_CONFIG: config }, cwd: directory });
      status = pushed.exitCode;
      attempts.push(/"detail":"resumed at (\d+) %"/.exec(pushed.stdout)?.[1] ?? '0');
      // A busy machine brings less to its disk before each reset.
      if (attempts.length > 30) return t.fail(`resumed at ${attempts.join(', ')} %: ${pushed.stderr}`);
    }
    t.log(`${attempts.length} attempts, resumed at ${attempts.join(', ')} %; ${link.resets} resets; ${(link.forwardedBytes / mebibyte).toFixed(1)} MiB crossed for ${sizeMiB}`);
    t.true(link.resets >= 2 && attempts.length >= 3);
    t.deepEqual(attempts.map(Number), attempts.map(Number).toSorted((a, b) => a - b), 'each begins where the last one was cut');
    // A reset costs at most what was on its way and not yet flushed: 16 MiB, here a good deal less.
    t.true(link.forwardedBytes < 2 * sizeMiB * mebibyte);
    t.is((await host.exec('docker images -q')).stdout.split('\n').length, 1);
  } finally {
    await host.destroy();
  }
});
