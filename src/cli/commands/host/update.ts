import { connectOption, hostsArgument, releaseOption, stealLockOptions } from './host-verb.ts';
import { words, type Verb, type VerbOption } from '../../verb.ts';

/** Which hosts come first, and how many at once. */
export const waveOptions: readonly VerbOption[] = [
  { flags: '--wave <hosts>', description: 'how many hosts are worked on at once (default: 1)' },
  { flags: '--canary <host>', description: 'a host that comes first, alone; may be given several times', repeatable: true },
];

const shipOptions: readonly VerbOption[] = [
  releaseOption,
  ...waveOptions,
  { flags: '--skip-unready', description: 'leave out hosts that cannot be updated now; without it, one refuses all' },
  { flags: '--allow-downgrade', description: 'ship a release that is older than what the host runs' },
  { flags: '--rename-domain', description: 'when the release has another domain than what runs: rename the data with it' },
  { flags: '--transport <how>', description: 'how images get there: as files, or pulled by the engine through the SSH login (default: of the site, else sftp)', choices: ['sftp', 'registry'] },
  { flags: '--limit-rate <Mbit/s>', description: 'upload no faster than this, all hosts together' },
  ...stealLockOptions,
  connectOption,
];

export const update: Verb = {
  name: 'update',
  summary: 'push a release and roll it out behind a health gate; a failure brings the old one back',
  arguments: [hostsArgument],
  options: [
    ...shipOptions,
    { flags: '--revert-on-failure', description: 'when a host fails, return those updated before it to what they had' },
  ],
  example: 'update pi@raspberrypi.local --release build/release/chat-1.0.1',
  run: async (session, args, options) => {
    const { shipRelease } = await import('../../pipeline/ship-release.ts');
    return { hosts: await shipRelease(session, words(args, 0), options, { rollout: true }) };
  },
};

export const push: Verb = {
  name: 'push',
  summary: 'upload a release, verify and load it, and start nothing',
  arguments: [hostsArgument],
  options: shipOptions,
  example: 'push pi@raspberrypi.local --release build/release/chat-1.0.1',
  run: async (session, args, options) => {
    const { shipRelease } = await import('../../pipeline/ship-release.ts');
    return { hosts: await shipRelease(session, words(args, 0), options, { rollout: false }) };
  },
};
