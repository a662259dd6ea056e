import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { writePiGenStage } from '../../../src/bake/customise/pi-gen-stage.ts';
import { setupSecrets } from '../../../src/bake/customise/setup-secrets.ts';
import { writeCustomisation } from '../../../src/bake/customise/write-customisation.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';
import { SecretRegistry } from '../../../src/secret.ts';
import { addPackages, addRaspberryPiOs, bootstrapTree, copyTree, treeDigest } from '../../support/disks/bootstrap-tree.ts';
import { runSetup, sampleKey, sampleOs, secretsDirectory } from '../../support/cards/card.ts';
import { packedRelease } from '../../support/releases/packed-release.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const execute = promisify(execFile);
const player = path.resolve(import.meta.dirname, '../../support/cards/pi-gen-play-stage.sh');

test('pi-gen, by its stage contract, gets the same tree as bake', async (t) => {
  const release = await packedRelease([{ 'etc/content': 'one' }]);
  const options = { os: sampleOs(), manifest: release.manifest, releaseDirectory: release.directory, platform: parsePlatform('linux/arm64')! };
  const previous = await bootstrapTree('linux/arm64');
  await addPackages(previous);
  await addRaspberryPiOs(previous);
  const place = await temporaryDirectory('pi-gen');
  const secrets = await secretsDirectory(setupSecrets(options.os, new Map(), new SecretRegistry()));
  await writePiGenStage(path.join(place, 'checkout'), options);
  const environment = { ...process.env, PROSE_SHIP_SECRETS_DIR: secrets, SOURCE_DATE_EPOCH: '1735689600' };
  await execute(player, [path.join(place, 'checkout'), 'stage-prose-ship', previous, path.join(place, 'work')], { env: environment });

  const record = (await readFile(path.join(place, 'work/record'), 'utf8')).split('\n');
  for (const line of ['package-nr docker.io', 'package-nr vim', 'debconf keyboard-configuration keyboard-configuration/layoutcode string de', 'export chat-prose-ship']) t.true(record.includes(line), line);
  const built = path.join(place, 'work/stage-prose-ship/rootfs');
  t.is(await readFile(path.join(built, 'home/pi/.ssh/authorized_keys'), 'utf8'), `${sampleKey}\n`);
  const cmdline = await readFile(path.join(built, 'boot/firmware/cmdline.txt'), 'utf8');
  t.is(cmdline, 'console=tty1 root=PARTUUID=12345678-02 rootwait init=/usr/lib/raspberrypi-sys-mods/firstboot cfg80211.ieee80211_regdom=DE\n');

  // The same tree as bake's own way makes of the same root, but for the kernel's command line, which bake's assembler extends.
  const baked = await copyTree(previous);
  const customisation = await writeCustomisation(path.join(place, 'customisation'), { ...options, preload: 'archive' });
  t.is((await runSetup(customisation.directory, baked, secrets)).exitCode, 0);
  for (const root of [built, baked]) await execute('rm', [path.join(root, 'boot/firmware/cmdline.txt')]);
  for (const root of [built, baked]) await execute('touch', ['-d', '@0', path.join(root, 'boot/firmware'), root]);
  t.is(await treeDigest(built), await treeDigest(baked));
});
