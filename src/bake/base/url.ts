import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { fetchValidator } from '../../host/fetch-document.ts';
import { withoutPassword } from '../../host/http-client.ts';
import { imageName, pathOfUrl, type AcquiredBase, type BaseReport } from './acquired-base.ts';
import { sourceKey, type CachedImage, type ImageCache } from './cache/image-cache.ts';
import { downloadImage, fetchChecksum } from './download.ts';

/**
 * An image at any http or https address, compressed or not. It is checked against the .sha256 beside it; without one a
 * warning says that nothing can be checked, and the cache is used only while the server says that nothing changed.
 * @throws ShipError E_BASE_UNKNOWN (no address; exit status 2), and what `downloadImage` throws
 */
export async function acquireUrl(context: Context, cache: ImageCache, url: string, report: BaseReport): Promise<AcquiredBase> {
  if (!URL.canParse(url)) {
    throw new ShipError({
      code: 'E_BASE_UNKNOWN',
      message: `The base '${withoutPassword(url)}' is not an address`,
      remedy: 'Write it as https://HOST/PATH.',
      exitStatus: ExitStatus.usage,
    });
  }
  const key = sourceKey(`url ${url}`);
  const sha256 = await fetchChecksum(context, url);
  if (sha256 === undefined) {
    const name = withoutPassword(url);
    report.log(`'${name}' cannot be checked: there is no sha256 at '${name}.sha256'. Whoever controls the server or the way to it decides what is baked.`, 'warning');
  }
  const state = sha256 === undefined ? await fetchValidator(context, url) : `sha256:${sha256}`;
  const find = async (): Promise<CachedImage | undefined> => {
    const last = await cache.recall(key);
    return last && state !== undefined && last.state === state ? cache.use(last.sha256) : undefined;
  };
  const remote = {
    url,
    ...(sha256 === undefined ? {} : { sha256 }),
    find,
    remember: async (unpacked: string) => {
      if (state !== undefined) await cache.remember(key, { state, sha256: unpacked });
    },
  };
  const cached = (await find()) ?? (await downloadImage(context, cache, remote, report));
  return { file: cached.file, sha256: cached.sha256, name: imageName(pathOfUrl(url)), release: () => cached.lease.release() };
}
