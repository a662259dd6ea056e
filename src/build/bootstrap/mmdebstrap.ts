import path from 'node:path';
import type { Command } from '../../host/process.ts';

/** A base that can be made of Debian's packages. */
export interface DebianBase {
  readonly suite: string;
  /** Without manuals and translations, like Debian's own slim images. */
  readonly slim: boolean;
}

/** `debian:trixie-slim`, also written out as docker.io/library/...; undefined for any other reference. */
export function parseDebianBase(reference: string): DebianBase | undefined {
  const match = /^(?:docker\.io\/(?:library\/)?)?debian:(trixie|bookworm)(-slim)?$/.exec(reference);
  return match?.[1] ? { suite: match[1], slim: match[2] !== undefined } : undefined;
}

export interface BootstrapStep {
  readonly base: DebianBase;
  /** Debian's name: `armhf`. */
  readonly architecture: string;
  readonly tarFile: string;
  /** deb822; a file, because a URI may hold a password. Without it mmdebstrap knows Debian's own. */
  readonly sourcesFile?: string;
  /** Those of the sources file, which the image's own sources list too; all of them where it is empty. */
  readonly suites: readonly string[];
  readonly sourceDateEpoch: number;
  /** Root does it directly, everyone else in a user namespace. */
  readonly isRoot: boolean;
}

/** Run by mmdebstrap on the finished root file system. */
export const customizeScript: string = path.join(import.meta.dirname, 'customize.sh');

/** What Debian's slim images leave out (debuerreotype, slimify); licences stay, and apt's example is its ordinary sources file. */
const slimPaths = [
  'path-exclude=/usr/share/man/*',
  'path-exclude=/usr/share/groff/*',
  'path-exclude=/usr/share/info/*',
  'path-exclude=/usr/share/lintian/*',
  'path-exclude=/usr/share/linda/*',
  'path-exclude=/usr/share/locale/*',
  'path-exclude=/usr/share/doc/*',
  'path-include=/usr/share/doc/*/copyright',
  'path-include=/usr/share/doc/apt/examples/*',
];

/**
 * As root, mmdebstrap mounts into its tree and starts programs that outlive it when it is killed: in namespaces of its
 * own nothing of that stays behind (unshare(1), --kill-child). Everyone else has `--mode=unshare`, which does the same.
 */
const ownNamespaces = ['--mount', '--pid', '--mount-proc', '--kill-child'];

/** The options of --dpkgopt and --aptopt stay in the image, so that packages installed later are treated alike. */
export function mmdebstrap(step: BootstrapStep): Command {
  const { base } = step;
  return {
    program: step.isRoot ? 'unshare' : 'mmdebstrap',
    args: [
      ...(step.isRoot ? [...ownNamespaces, 'mmdebstrap'] : []),
      `--mode=${step.isRoot ? 'root' : 'unshare'}`,
      `--architectures=${step.architecture}`,
      '--variant=minbase',
      '--components=main',
      '--format=tar',
      ...(base.slim ? slimPaths.map((option) => `--dpkgopt=${option}`) : []),
      '--dpkgopt=force-unsafe-io', // a build that a power cut ends is begun anew: no fsync for every file
      '--aptopt=Acquire::Languages "none"',
      '--aptopt=APT::AutoRemove::SuggestsImportant "false"',
      // Whether apt can become _apt depends on where the tree lies, and shows in the owner of two folders of the image; so
      // it never does while the base is made. customize.sh takes this out of the image again.
      '--aptopt=APT::Sandbox::User "root"',
      `--customize-hook=${customizeScript}`,
      base.suite,
      step.tarFile,
      ...(step.sourcesFile ? [step.sourcesFile] : []),
    ],
    env: {
      SOURCE_DATE_EPOCH: String(step.sourceDateEpoch),
      PROSE_SHIP_SUITES: step.suites.join(' '),
      // Its tree goes where it is cleaned up; another user of a user namespace could not reach it there.
      ...(step.isRoot ? { TMPDIR: path.dirname(step.tarFile) } : {}),
    },
  };
}
