import { ExitStatus, ShipError } from '../../../errors.ts';
import type { DiscoveredHost } from '../../../ship/discovery/discover.ts';
import { word, type Verb, type VerbOptions } from '../../verb.ts';

/** As in `src/ship/discovery/plan-probe.ts`, which `--help` does not load. */
const probeModes = ['auto', 'always', 'never'] as const;
const longestListenSeconds = 60;

export const discover: Verb = {
  name: 'discover',
  summary: 'find Raspberry Pis, and hosts that run prose-ship, on the local network',
  options: [
    { flags: '--interface <name>', description: "look only there (default: every one but containers' and tunnels')" },
    { flags: '--timeout <s>', description: 'seconds to wait for answers of multicast DNS', default: '3' },
    { flags: '--probe <when>', description: 'send a packet to every address of the local network; auto: when nothing else finds one', choices: probeModes, default: 'auto' },
    { flags: '--all', description: 'show all neighbours' },
  ],
  example: 'discover --timeout 5',
  run: async (session, _args, options) => {
    const listenMs = listenTime(options);
    const { chooseInterfaces, discover: find } = await import('../../../ship/discovery/discover.ts');
    const { nothingFound } = await import('../../../ship/discovery/errors.ts');
    const { siteIfAny } = await import('../../pipeline/site.ts');
    const deployment = await siteIfAny(session);
    const interfaces = chooseInterfaces(word(options['interface']));
    const site = deployment?.site.hosts ?? [];
    const names = [...site.map(({ address }) => address), ...(deployment?.site.os ? [`${deployment.site.os.hostname}.local`] : [])];
    const probe = probeModes.find((mode) => mode === options['probe']) ?? 'auto';
    if (session.dryRun) {
      const { planProbe } = await import('../../../ship/discovery/plan-probe.ts');
      const plan = planProbe(interfaces, probe);
      session.print([
        ...interfaces.map(({ name }) => `${name}: multicast DNS for ${listenMs / 1000} s`),
        ...plan.targets.map(({ network, addresses }) => `${network}: ${probe === 'auto' ? 'if nothing is found, ' : ''}one packet to each of ${addresses.length} addresses`),
        ...plan.skipped.map(({ network, reason }) => `${network}: not probed, ${reason}`),
      ].join('\n'));
      return { interfaces: interfaces.map(({ name }) => name) };
    }
    const all = options['all'] === true;
    const found = await find(session.context, { interfaces, site, names, listenMs, probe, all });
    const hosts = all ? found : found.filter(({ isOurs }) => isOurs);
    if (hosts.length === 0) throw nothingFound(interfaces, found.length);
    session.print(hosts.map(formatHost).join('\n\n'));
    return { hosts };
  },
};

function formatHost({ names, addresses, mac, vendor, foundBy, ssh, site, runsProseShip, next }: DiscoveredHost): string {
  const title = [names.join(', ') || addresses[0], site ? `'${site}' of the site file` : undefined, runsProseShip ? 'runs prose-ship' : undefined];
  const rows = [
    ['addresses', addresses.join(', ')],
    ['MAC', mac === undefined ? 'not known' : `${mac}${vendor ? ` (${vendor})` : ''}`],
    ['found by', foundBy.join(', ')],
    ['SSH', ssh ?? 'no answer; switch it on there first (raspi-config, Interface Options)'],
    ...(next === undefined ? [] : [['next', next]]),
  ];
  return [title.filter(Boolean).join(': '), ...rows.map(([key = '', value = '']) => `  ${key.padEnd(9)}  ${value}`)].join('\n');
}

function listenTime(options: VerbOptions): number {
  const text = word(options['timeout']) ?? '';
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (seconds > 0 && seconds <= longestListenSeconds) return seconds * 1000;
  throw new ShipError({
    code: 'E_USAGE',
    message: `'${text}' is not a time to wait`,
    remedy: `It is a number of seconds up to ${longestListenSeconds}, such as 3 or 0.5.`,
    exitStatus: ExitStatus.usage,
  });
}
