import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { aptSourceOn, engineSource } from '../bake/engine-source/engine-source.ts';
import type { Context } from '../context.ts';
import { libraryFolders, provisionPrograms, provisionProgramFile, provisionedFiles } from '../device/provision/programs.ts';
import { digestOf } from '../oci/digest.ts';
import { platformSlug } from '../oci/platform.ts';
import type { Release } from '../release/read-release.ts';
import { uploadFiles, type UploadFile } from '../release/upload-files.ts';
import type { AllowedSigners } from '../site/allowed-signers.ts';
import type { Task } from '../tasks.ts';
import { fetchPackages } from './packages/fetch-packages.ts';
import { packageIndex, type DebianPackage } from './packages/package-index.ts';
import { allPackages, type BundlePlan } from './plan-bundle.ts';
import { factsText, nextText, readmeText } from './stick/texts.ts';
import { checkBundleTarget, factsFile, writeBundle } from './stick/write-bundle.ts';

export interface BundleInputs {
  readonly plan: BundlePlan;
  readonly release: Release;
  /** Absent: hosts keep the signers that they have. */
  readonly allowedSigners?: AllowedSigners | undefined;
  /** Values in plain text; empty unless somebody asked for that. */
  readonly secrets: ReadonlyMap<string, string>;
  /** What the recipe leaves to people, as text. */
  readonly steps: string;
}

export interface Bundle {
  readonly directory: string;
  readonly unchanged: boolean;
  readonly sizeBytes: number;
}

/** Makes a folder that installs the release where there is no network; `onBundle` gets it. */
export function bundleTasks(context: Context, inputs: BundleInputs, onBundle: (bundle: Bundle) => void): Task[] {
  const { plan } = inputs;
  const fetched = new Map<string, readonly DebianPackage[]>();
  return [
    { id: 'target', title: `Check ${plan.directory}`, run: () => checkBundleTarget(plan.directory) },
    ...plan.platforms.map(
      ({ architecture }): Task => ({
        id: `packages-${architecture}`,
        title: `Packages of ${plan.suite} for ${architecture}`,
        run: async (report) => {
          const engine = await engineSource(context, { engine: plan.engine }, plan.suite);
          const source = aptSourceOn(engine, { id: 'debian', suite: plan.suite });
          const packages = await fetchPackages(context, { suite: plan.suite, architecture, packages: allPackages(plan), engineSource: source }, report);
          fetched.set(architecture, packages);
          report.detail(`${packages.length} files, ${Math.ceil(packages.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / 1e6)} MB`);
        },
      }),
    ),
    {
      id: 'write',
      title: 'Write the bundle',
      run: async (report) => {
        const { unchanged, sizeBytes } = await writeBundle(context, plan.directory, await bundleFiles(inputs, fetched), report);
        report.detail(unchanged ? 'is there already, unchanged' : `${Math.ceil(sizeBytes / 1e6)} MB`);
        onBundle({ directory: plan.directory, unchanged, sizeBytes });
      },
    },
  ];
}

/** Everything but SHA256SUMS, sorted by path. */
export async function bundleFiles({ plan, release, allowedSigners, secrets, steps }: BundleInputs, fetched: ReadonlyMap<string, readonly DebianPackage[]>): Promise<UploadFile[]> {
  const { manifest } = release;
  const files = [
    text('README.txt', readmeText(plan, manifest, secrets.size > 0)),
    text(factsFile, factsText(plan, manifest)),
    text('next.txt', nextText(manifest, steps)),
    ...(await installerFiles()),
    ...(await updaterFiles()),
    ...packageFiles(plan, fetched),
    ...(allowedSigners ? [text('allowed_signers', allowedSigners.content)] : []),
    ...[...secrets].map(([name, value]) => text(`secrets/${name}`, value)),
  ];
  for (const { platform } of plan.platforms) {
    const upload = await uploadFiles(release, { platform, archives: true });
    files.push(...upload.map((file) => ({ ...file, path: `release/${platformSlug(platform)}/${file.path}` })));
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** install.sh, its parts, and the programs that `provision` sends. */
async function installerFiles(): Promise<UploadFile[]> {
  const directory = path.join(import.meta.dirname, 'install');
  const parts = (await readdir(directory)).filter((name) => name.endsWith('.sh')).sort();
  const files = [
    ...parts.map((name) => [name === 'install.sh' ? name : `install/${name}`, path.join(directory, name)] as const),
    ...provisionPrograms.map((name) => [`install/provision/${name}.sh`, provisionProgramFile(name)] as const),
  ];
  return Promise.all(files.map(async ([name, source]) => text(name, await readFile(source, 'utf8'))));
}

/** What `provision` lays, below `updater/` by its path on the host; files.list says how: SOURCE, FILE, MODE, UID:GID, the folder that it needs or `-`. */
async function updaterFiles(): Promise<UploadFile[]> {
  const files = provisionedFiles();
  const list = files.map(({ target, mode, uid, gid, needsFolder }) => [`updater${target}`, target, mode.toString(8).padStart(4, '0'), `${uid}:${gid}`, needsFolder ?? '-'].join('\t'));
  return [
    text('updater/files.list', `${list.join('\n')}\n`),
    text('updater/folders.list', `${libraryFolders().join('\n')}\n`),
    ...(await Promise.all(files.map(async ({ source, target }) => text(`updater${target}`, await readFile(source, 'utf8'))))),
  ];
}

/** One folder for all architectures, because many packages are for all of them; an index for each. */
function packageFiles({ suite, platforms }: BundlePlan, fetched: ReadonlyMap<string, readonly DebianPackage[]>): UploadFile[] {
  const directory = `packages/${suite}`;
  const files = new Map<string, UploadFile>();
  const indexes = platforms.map(({ architecture }) => {
    const packages = fetched.get(architecture) ?? [];
    for (const { path: name, source, sizeBytes, digest } of packages) files.set(name, { kind: 'copy', path: `${directory}/${name}`, source, sizeBytes, digest });
    return text(`${directory}/${architecture}/Packages`, packageIndex(packages));
  });
  return [...files.values(), ...indexes];
}

function text(name: string, content: string): UploadFile {
  return { kind: 'text', path: name, content, sizeBytes: Buffer.byteLength(content), digest: digestOf(content) };
}
