import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../context.ts';
import { ShipError } from '../../errors.ts';
import { run } from '../../host/process.ts';
import { formatAptSources, type AptSource } from './apt-sources.ts';

const answersWithinMs = 60_000;

/**
 * Leaves out the updates and security updates that the mirror does not have for all of these architectures: a base
 * without them is better than none, but whoever builds must hear of it. The first source, the suite itself, stays.
 */
export async function usableAptSources(
  context: Context,
  sources: readonly AptSource[],
  architectures: readonly string[],
  onMissing: (source: AptSource) => void,
): Promise<AptSource[]> {
  const usable: AptSource[] = [];
  for (const [index, source] of sources.entries()) {
    if (index === 0 || (await answers(context, source, architectures))) usable.push(source);
    else onMissing(source);
  }
  return usable;
}

/** Fetches the indexes of one source into a scratch folder, by apt itself, so that signatures and sizes are checked. */
async function answers(context: Context, source: AptSource, architectures: readonly string[]): Promise<boolean> {
  await mkdir(context.cacheDirectory, { recursive: true });
  const directory = await mkdtemp(path.join(context.cacheDirectory, '.apt-'));
  try {
    await mkdir(path.join(directory, 'lists/partial'), { recursive: true });
    await writeFile(path.join(directory, 'source.sources'), formatAptSources([source]), { mode: 0o600 });
    const configuration = path.join(directory, 'apt.conf');
    await writeFile(configuration, aptConfiguration(directory, architectures));
    await run(
      context,
      { program: 'apt-get', args: ['--error-on=any', 'update'], env: { APT_CONFIG: configuration } },
      { timeoutMs: answersWithinMs },
    );
    return true;
  } catch (error) {
    if (error instanceof ShipError && ['E_COMMAND_FAILED', 'E_TIMEOUT'].includes(error.code)) return false;
    throw error;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** apt.conf(5). Nothing of this machine's own: its hooks and its state are not for us. Needs `lists/partial` below `directory`. */
export function aptConfiguration(directory: string, architectures: readonly string[]): string {
  return [
    'Dir::Etc::parts "/dev/null";',
    'Dir::Etc::sourcelist "/dev/null";',
    `Dir::Etc::sourceparts "${directory}";`,
    `Dir::State "${directory}";`,
    `Dir::State::lists "${directory}/lists";`,
    'Dir::State::status "/dev/null";',
    `Dir::Cache "${directory}";`,
    'Acquire::Languages "none";',
    'APT::Sandbox::User "";',
    `APT::Architecture "${architectures[0] ?? ''}";`,
    ...architectures.map((architecture) => `APT::Architectures:: "${architecture}";`),
    '',
  ].join('\n');
}
