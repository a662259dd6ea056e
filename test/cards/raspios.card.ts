import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { bootDevice } from '../../src/bake/boot/device.ts';
import { createContext } from '../../src/context.ts';
import { bakeSite } from '../support/cards/card-site.ts';
import { raspiosStandIn } from '../support/cards/stand-ins/raspios.ts';

/** Making the stand-in, baking, and an emulated boot. */
const withinMs = 2 * 60 * 60_000;

test('a card made of Raspberry Pi OS boots, with the site set up and the images in the engine', async (t) => {
  t.timeout(withinMs);
  const site = await bakeSite({ base: await raspiosStandIn(), user: 'anna', hostname: 'kitchen' });
  const key = path.join(site.directory, 'key');
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  const imageFile = path.join(site.directory, 'card.img');
  const { exitCode, stderr } = await site.bake(['--output', imageFile], { os: { authorizedKeys: [await readFile(`${key}.pub`, 'utf8')] } });
  t.is(exitCode, 0, stderr);
  const device = await bootDevice(createContext(), { imageFile, identityFile: key, timeoutMs: withinMs });
  t.teardown(() => device.destroy());
  t.log(`ssh ${Math.round((await device.waitForSsh()) / 1000)} s after power-on`);
  const { stdout } = await device.exec(['sh', '-c', 'hostname; systemctl is-enabled userconfig.service ssh.service; id -nu; sudo docker image ls --quiet | wc -l; lsblk --noheadings --output FSTYPE --list | sort -u']);
  t.deepEqual(stdout.trim().split('\n').slice(0, 5), ['kitchen', 'masked', 'enabled', 'anna', '1']);
});
