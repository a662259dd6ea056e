import { copyFile, link, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ShipError } from '../errors.ts';
import { replaceDirectory } from '../host/files.ts';
import { openArchive, type Archive } from '../oci/archive/read-archive.ts';
import { formatPlatform, platformSlug, type Platform } from '../oci/platform.ts';
import type { Deployment } from '../site/model.ts';
import { renderDeployment, type RenderedDeployment } from '../site/render.ts';
import { readableJson } from './canonical-json.ts';
import { checksumsFile, describeFile, formatChecksums } from './checksums.ts';
import { walkLayers } from './image-layers.ts';
import type { ReleaseFile, ReleaseHost, ReleaseManifest, RenderedReleaseFile } from './manifest.ts';
import { manifestFile, readRelease, releaseId, type Release } from './read-release.ts';
import { planPath, releasePlatforms, rolloutPlan } from './rollout-plan.ts';
import { pickSamples, sampleTree } from './samples/choose-samples.ts';
import { keepSignature } from './signature/sign-release.ts';
import { contentFiles, imageContents, type ImageContents } from './sbom/image-contents.ts';
import { releaseSbom, sbomFile } from './sbom/release-sbom.ts';

/** An image archive that `build` wrote, and whose image it is. */
export interface ComponentArchive {
  readonly component: string;
  readonly platform: Platform;
  readonly file: string;
}

export interface PackResult extends Release {
  /** The same release was there already. */
  readonly unchanged: boolean;
}

/** Puts the signature into `directory`, a new release; `earlier` is the folder that it will replace. */
export type SignStep = (directory: string, earlier: string) => Promise<void>;

/** Where a site's release goes: `OUTPUT/NAME-VERSION`. */
export function releaseDirectory(outputDirectory: string, { site }: Deployment): string {
  return path.join(outputDirectory, `${site.name}-${site.version}`);
}

/**
 * Makes the release directory: archives and their bill of materials, rendered Compose file and templates, plans, `release.json`, `SHA256SUMS`. It
 * holds no time and no path of the machine, so the same inputs give the same bytes. An existing directory is replaced
 * whole; the signature of the very same bytes stays, unless `sign` makes another.
 * @throws ShipError E_IMAGE_MISSING when a component has no archive for a platform of the site
 */
export async function packRelease(
  deployment: Deployment,
  archives: readonly ComponentArchive[],
  directory: string,
  sign: SignStep = keepSignature,
): Promise<PackResult> {
  const opened = await openAll(deployment, archives);
  const references = new Map(opened.map(({ component, archive }) => [component, archive.reference]));
  const rendered = await renderDeployment(deployment, references);
  let manifest: ReleaseManifest | undefined;
  const existing = await readRelease(directory).catch(() => undefined);
  let unchanged = false;
  await replaceDirectory(directory, async (target) => {
    const put = async (name: string, content: string | Buffer): Promise<ReleaseFile> => {
      await mkdir(path.dirname(path.join(target, name)), { recursive: true });
      await writeFile(path.join(target, name), content);
      return describeFile(target, name);
    };
    const contents = await Promise.all(opened.map((image) => putImage(target, image)));
    const images = contents.map(({ image }) => image);
    const { name: siteName, version } = deployment.site;
    const sbom = await put(sbomFile, await releaseSbom({ directory: target, manifest: { name: siteName, version, images } }, contents));
    const files: RenderedReleaseFile[] = [];
    for (const { name, hash, mode, uid, gid, content } of [...rendered.files, ...rendered.hostFiles]) {
      const file = await put(`files/${hash}/${name}`, content);
      files.push({ ...file, name, mode: `0${mode.toString(8).padStart(3, '0')}`, uid, gid });
    }
    manifest = describeRelease(deployment, { images, sbom, files, compose: await put('compose.yaml', rendered.compose), ...describeHost(deployment, rendered) });
    const plans: ReleaseFile[] = [];
    for (const platform of releasePlatforms(manifest)) plans.push(await put(planPath(platform), rolloutPlan(manifest, platform)));
    const document = await put(manifestFile, readableJson(manifest));
    const listed = [document, sbom, manifest.compose, ...files, ...plans, ...images.map(({ archive }) => archive)];
    await put(checksumsFile, formatChecksums(listed));
    await sign(target, directory);
    unchanged = existing?.manifest.id === manifest.id;
  });
  if (!manifest) throw new Error('unreachable: replaceDirectory ran its callback');
  return { directory, manifest, unchanged };
}

interface OpenedArchive extends ComponentArchive {
  readonly archive: Archive;
}

async function openAll({ site, recipe }: Deployment, archives: readonly ComponentArchive[]): Promise<OpenedArchive[]> {
  const opened: OpenedArchive[] = [];
  for (const { name: component } of recipe.components) {
    for (const platform of site.platforms) {
      const found = archives.find(
        (one) => one.component === component && formatPlatform(one.platform) === formatPlatform(platform),
      );
      if (!found) {
        throw new ShipError({
          code: 'E_IMAGE_MISSING',
          message: `There is no image of '${component}' for ${formatPlatform(platform)}`,
          remedy: `Build it with \`prose-ship build ${component} --platform ${formatPlatform(platform)}\`.`,
        });
      }
      opened.push({ ...found, archive: await openArchive(found.file) });
    }
  }
  return opened;
}

async function putImage(target: string, { component, platform, file, archive }: OpenedArchive): Promise<ImageContents> {
  const name = `images/${component}-${platformSlug(platform)}.tar.zst`;
  await mkdir(path.join(target, 'images'), { recursive: true });
  // A hard link costs nothing; across file systems it is a copy. Archives are never written in place.
  await link(file, path.join(target, name)).catch(() => copyFile(file, path.join(target, name)));
  const tree = sampleTree();
  const files = contentFiles(archive);
  await walkLayers(archive, [tree.visit, files.visit]);
  const image = {
    component,
    platform,
    reference: archive.reference,
    configDigest: archive.configDigest,
    diffIds: archive.diffIds,
    archive: await describeFile(target, name),
    samples: pickSamples(tree.files()),
  };
  return imageContents(image, files);
}

/** Without keys for what a recipe does not have, so that its releases keep their ids. */
function describeHost({ recipe: { host } }: Deployment, { hostFiles, secrets, generatedSecrets }: RenderedDeployment): Pick<ReleaseManifest, 'host' | 'secrets' | 'generatedSecrets'> {
  const described: ReleaseHost | undefined = host && {
    files: hostFiles.map(({ name, hash, path: target, action }) => ({ path: target, file: `files/${hash}/${name}`, ...(action === undefined ? {} : { action }) })),
    actions: host.actions,
    ...(host.checks ? { checks: host.checks } : {}),
  };
  return { ...(described ? { host: described } : {}), secrets, ...(generatedSecrets.length > 0 ? { generatedSecrets } : {}) };
}

function describeRelease(
  { site, recipe }: Deployment,
  content: Pick<ReleaseManifest, 'images' | 'sbom' | 'files' | 'compose' | 'host' | 'secrets' | 'generatedSecrets'>,
): ReleaseManifest {
  const manifest = {
    format: 1 as const,
    name: site.name,
    version: site.version,
    domain: site.domain,
    recipe: { name: recipe.name, version: recipe.version },
    ...content,
    rollout: recipe.rollout,
    data: recipe.data,
    ...(site.retention ? { retention: site.retention } : {}),
    ...(Object.keys(recipe.requires).length > 0 ? { requires: recipe.requires } : {}),
    ...(recipe.accounts ? { accounts: recipe.accounts } : {}),
    ...(recipe.processes ? { processes: recipe.processes } : {}),
  };
  return { ...manifest, id: releaseId(manifest) };
}
