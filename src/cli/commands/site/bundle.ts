import type { Verb, VerbOption } from '../../verb.ts';
import { releaseOption } from '../host/host-verb.ts';
import { word } from '../../verb.ts';

/** What `bundle` and `release --offline-bundle` share. */
export const bundleOptions: readonly VerbOption[] = [
  { flags: '--debian <suite>', description: 'which Debian the hosts run, or their Raspberry Pi OS is made of', choices: ['trixie', 'bookworm'], default: 'trixie' },
  { flags: '--with-secrets', description: 'put the secrets that the site gives onto the stick, in plain text; asks first' },
];

export const bundle: Verb = {
  name: 'bundle',
  summary: 'make a folder, for a USB stick say, that installs a release on hosts without any network',
  arguments: [{ name: '<dir>', description: 'the folder, which is made or replaced as a whole' }],
  options: [releaseOption, { flags: '--platform <platform>', description: 'only this platform; several times or with commas (default: all of the release)', repeatable: true }, ...bundleOptions],
  example: 'bundle /media/usb/chat --platform linux/arm64',
  run: async (session, [directory], options) => {
    const { loadDeployment } = await import('../../../site/load.ts');
    const { describeBundle, makeBundle, planBundleOf } = await import('../../pipeline/make-bundle.ts');
    const { releaseOf } = await import('../../pipeline/site.ts');
    const deployment = await loadDeployment(session.context, session.siteFile);
    const request = { deployment, release: await releaseOf(session, deployment, options), directory: word(directory) ?? '' };
    if (session.dryRun) {
      const plan = planBundleOf(request, options);
      session.print(describeBundle(plan));
      return { plan };
    }
    const made = await makeBundle(session, request, options);
    session.print(made.directory);
    return { ...made };
  },
};
