import { execFile } from 'node:child_process';
import { appendFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { provideBase } from '../../../src/build/bases.ts';
import { createContext } from '../../../src/context.ts';
import { blobPath, readLayout } from '../../../src/oci/layout.ts';
import { parsePlatform, samePlatform } from '../../../src/oci/platform.ts';
import { temporaryDirectory } from '../temporary-directory.ts';

const execute = promisify(execFile);
const sourceDateEpoch = 1_735_689_600;

/** The root file system of Debian trixie for a platform, made of Debian's packages; needs root. */
export async function bootstrapTree(platformName: string): Promise<string> {
  const platform = parsePlatform(platformName)!;
  const base = await provideBase(createContext(), { reference: 'debian:trixie-slim', platforms: [platform], provider: 'bootstrap', sourceDateEpoch });
  if (base.kind !== 'bootstrap') throw new Error('unreachable: only bootstrap was asked for');
  const image = (await readLayout(base.directory)).find((one) => samePlatform(one.platform, platform));
  const root = path.join(await temporaryDirectory('tree'), 'root');
  await mkdir(root);
  for (const layer of image?.manifest.layers ?? []) {
    await execute('tar', ['--extract', '--numeric-owner', '--directory', root, '--file', path.join(base.directory, blobPath(layer.digest))]);
  }
  return root;
}

/**
 * Stands in for the packages that a card gets by apt, which would run their scripts emulated for minutes: their entries in
 * dpkg's status, and the files of them that matter here, taken from the same packages on this machine.
 */
export async function addPackages(root: string, { engine = '26.1.5+dfsg1-9+b10', compose = '2.26.1-4' } = {}): Promise<void> {
  const architecture = /^Package: dpkg\n(?:.+\n)*?Architecture: (\S+)/m.exec(await readFile(path.join(root, 'var/lib/dpkg/status'), 'utf8'))?.[1] ?? '';
  for (const [name, version] of [['docker.io', engine], ['docker-compose', compose]]) {
    await appendFile(path.join(root, 'var/lib/dpkg/status'), `\nPackage: ${name}\nStatus: install ok installed\nArchitecture: ${architecture}\nVersion: ${version}\n`);
  }
  for (const unit of ['ssh.service', 'docker.service', 'docker.socket', 'nftables.service', 'containerd.service', 'getty@.service']) await copy(`usr/lib/systemd/system/${unit}`);
  for (const zone of ['Europe/Berlin', 'Etc/UTC']) await copy(`usr/share/zoneinfo/${zone}`);
  for (const sources of ['locales', 'charmaps/UTF-8.gz']) await copy(`usr/share/i18n/${sources}`);
  await mkdir(path.join(root, 'etc/ssh/sshd_config.d'), { recursive: true });
  await cp('/usr/share/openssh/sshd_config', path.join(root, 'etc/ssh/sshd_config'));

  async function copy(name: string): Promise<void> {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true });
    await cp(path.join('/', name), path.join(root, name), { recursive: true, dereference: true });
  }
}

/** What Raspberry Pi OS has and Debian has not, as its packages lay it down: first user, rename wizard, radio switched off. */
export async function addRaspberryPiOs(root: string): Promise<void> {
  await appendFile(path.join(root, 'etc/passwd'), 'pi:x:1000:1000:,,,:/home/pi:/bin/bash\n');
  await appendFile(path.join(root, 'etc/shadow'), 'pi:$6$salt$hash:20000:0:99999:7:::\n');
  await appendFile(path.join(root, 'etc/group'), 'pi:x:1000:\nnetdev:x:105:pi\n');
  await appendFile(path.join(root, 'etc/gshadow'), 'pi:!::\nnetdev:!::pi\n');
  await appendFile(path.join(root, 'etc/subuid'), 'pi:100000:65536\n');
  const files: Record<string, string> = {
    'home/pi/.profile': 'umask 022\n',
    'etc/sudoers.d/010_pi-nopasswd': 'pi ALL=(ALL) NOPASSWD: ALL\n',
    'etc/ssh/sshd_config.d/rename_user.conf': 'Banner /usr/share/userconf-pi/sshd_banner\n',
    'usr/lib/systemd/system/userconfig.service': '[Unit]\nDescription=User configuration dialog\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n',
    'var/lib/systemd/rfkill/platform-3f300000.mmcnr:wlan': '1\n',
    'var/lib/NetworkManager/NetworkManager.state': '[main]\nWirelessEnabled=false\n',
    'boot/firmware/cmdline.txt': 'console=tty1 root=PARTUUID=12345678-02 rootwait init=/usr/lib/raspberrypi-sys-mods/firstboot\n',
  };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true });
    await writeFile(path.join(root, name), content);
  }
  await execute('chown', ['-R', '1000:1000', path.join(root, 'home/pi')]);
}

/** A copy of a tree with everything that root can copy. */
export async function copyTree(root: string): Promise<string> {
  const target = path.join(await temporaryDirectory('tree'), 'root');
  await execute('cp', ['-a', root, target]);
  return target;
}

/** One digest over names, kinds, owners, modes, times and contents. */
export async function treeDigest(root: string): Promise<string> {
  const { stdout } = await execute('sh', ['-c', 'tar --create --numeric-owner --sort=name --xattrs --format=posix --pax-option=delete=atime,delete=ctime --directory "$1" . | sha256sum', 'sh', root]);
  return stdout.trim();
}
