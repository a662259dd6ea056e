import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { osImageStep, toolsBase } from '../../../../src/bake/assemble/os-image-build.ts';
import { provideBase } from '../../../../src/build/bases.ts';
import { buildxBuild } from '../../../../src/build/buildx.ts';
import { createContext } from '../../../../src/context.ts';
import { openEngine } from '../../../../src/host/engine/open-engine.ts';
import { run, type Command } from '../../../../src/host/process.ts';
import { parsePlatform } from '../../../../src/oci/platform.ts';
import { makeSampleOsImage, sampleIds } from '../sample-os-image.ts';
import { temporaryDirectory } from '../../temporary-directory.ts';

const MiB = 1024 * 1024;
const script = path.join(import.meta.dirname, 'raspios.sh');
/** As on the official image; firstboot does nothing but start systemd. */
export const standInCmdline = `console=serial0,115200 console=tty1 root=PARTUUID=${sampleIds.mbrDiskId}-02 rootfstype=ext4 fsck.repair=yes rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot`;
export const standInConfig = '# For more options and information see\n# http://rptl.io/configtxt\ndtparam=audio=on\narm_64bit=1\n\n[all]\n';
/** Without the features that pi-gen switches off. */
export const standInFeatures = ['-O', '^64bit,^huge_file,^orphan_file'];

/**
 * Stands in for the official Raspberry Pi OS Lite (arm64) image: the same layout, ids, boot files, first user and wizard
 * on Debian trixie, of which Raspberry Pi OS is made. Its apt uses this machine's mirror. Made once, in about four
 * minutes, and kept in the cache folder; needs root.
 */
export async function raspiosStandIn(): Promise<string> {
  const context = createContext();
  const version = createHash('sha256').update(await readFile(script)).update(await readFile(import.meta.filename)).digest('hex').slice(0, 16);
  const directory = path.join(context.cacheDirectory, 'raspios-stand-in');
  const file = path.join(directory, `${version}.img`);
  if (await stat(file).then(() => true, () => false)) return file;
  await mkdir(directory, { recursive: true });
  for (const old of await readdir(directory)) await rm(path.join(directory, old), { recursive: true, force: true });
  const scratch = await mkdtemp(path.join(directory, 'making-'));
  try {
    const root = path.join(scratch, 'root');
    await mkdir(root);
    await debianTree(root);
    await makeSampleOsImage(path.join(scratch, 'image'), {
      rootBytes: 380 * MiB,
      cmdline: `${standInCmdline}\n`,
      populateBoot: (boot) => writeFile(path.join(boot, 'config.txt'), standInConfig),
      populateRoot: async (tree) => {
        await rm(tree, { recursive: true });
        await execa('cp', ['-a', root, tree]);
      },
      mke2fsArgs: standInFeatures,
    });
    await rename(path.join(scratch, 'image'), file);
    return file;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The tree of the base `debian`, which the build has in its cache mostly, turned into what Raspberry Pi OS Lite has. */
async function debianTree(root: string): Promise<void> {
  const context = createContext();
  const [native, arm64] = [parsePlatform(process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64')!, parsePlatform('linux/arm64')!];
  const sourceDateEpoch = 1_735_689_600;
  const platforms = native.architecture === 'arm64' ? [native] : [native, arm64];
  const base = await provideBase(context, { reference: toolsBase, platforms, provider: 'bootstrap', sourceDateEpoch });
  if (base.kind !== 'bootstrap' || !base.aptSourcesFile) throw new Error('this machine has no Debian mirror');
  const engine = await openEngine(context, { allowPrivate: true });
  try {
    const step = osImageStep({
      platform: arm64,
      sourceDateEpoch,
      builder: engine.dockerHost ? { dockerHost: engine.dockerHost } : {},
      noCache: false,
      tools: { base, context: `oci-layout://${base.directory}:${base.tag}` },
      customiseDirectory: await temporaryDirectory('customise'),
    }, 'inventory', { kind: 'files', directory: '-' });
    // As a tar, which keeps owners; only the tests want this stage.
    const command = buildxBuild({ ...step, target: 'debian' });
    const tar: Command = { ...command, args: command.args.map((word) => (word === 'type=local,dest=-' ? `type=tar,dest=${root}.tar` : word)) };
    await run(context, tar);
  } finally {
    await engine.stop();
  }
  await execa('tar', ['--extract', '--numeric-owner', '--xattrs', '--xattrs-include=*', '--directory', root, '--file', `${root}.tar`]);
  await rm(`${root}.tar`);
  await execa(script, [root, base.aptSourcesFile]);
}
