import { wrongUsage } from '../../errors.ts';
import type { DnsReport } from '../../ship/dns/check.ts';
import type { DnsWarning } from '../../ship/dns/warnings.ts';
import type { DnsRecord } from '../../site/dns/record.ts';
import { word, type Session, type Verb, type VerbOptions } from '../verb.ts';

const formats = ['table', 'bind', 'dnsmasq', 'hosts', 'json'] as const;
type Format = (typeof formats)[number];

export const dns: Verb = {
  name: 'dns',
  summary: 'the DNS records that the site needs, and whether they are there',
  options: [
    { flags: '--format <kind>', description: 'how to print them; bind is a zone file, hosts lines for /etc/hosts', choices: formats, default: 'table' },
    { flags: '--zone <name>', description: "the zone that they go into (default: the site's domain)" },
    { flags: '--name-server <name>', description: 'with --format bind: print a whole zone, served by this one', repeatable: true },
    { flags: '--check', description: 'ask the real DNS and compare' },
    { flags: '--server <address>', description: "with --check: the DNS server to ask (default: this machine's)" },
  ],
  example: 'dns --format bind',
  run: async (session, _args, options) => {
    const { loadDeployment } = await import('../../site/load.ts');
    const choice = await chooseOptions(options);
    const { site, recipe } = await loadDeployment(session.context, session.siteFile);
    const records = recipe.dns ?? [];
    if (records.length === 0) {
      session.context.emit({ type: 'log', level: 'info', message: `The recipe ${recipe.name} names no DNS records.` });
      return { records: [] };
    }
    const zone = choice.zone ?? site.domain;
    return choice.check ? check(session, records, { ...choice, zone }) : show(session, records, { ...choice, zone, domain: site.domain });
  },
};

interface Choice {
  readonly format: Format;
  readonly zone?: string;
  readonly nameServers: readonly string[];
  readonly check: boolean;
  readonly server?: string;
}

async function chooseOptions(options: VerbOptions): Promise<Choice> {
  const { judgeDomain } = await import('../../site/schema/words.ts');
  const format = formats.find((one) => one === options['format']) ?? 'table';
  const [zone, server] = [word(options['zone']), word(options['server'])];
  const nameServers = Array.isArray(options['nameServer']) ? (options['nameServer'] as string[]).map(plain) : [];
  const check = options['check'] === true;
  if (nameServers.length > 0 && format !== 'bind') throw wrongUsage('--name-server is for a whole zone file', 'Add --format bind, or leave it out.');
  if (server !== undefined && !check) throw wrongUsage('--server names whom to ask, and nothing is asked', 'Add --check, or leave it out.');
  if (check && format !== 'table' && format !== 'json') throw wrongUsage(`--check does not go with --format ${format}`, 'What was found is printed as a table, or with --format json as one object a line.');
  for (const name of [zone, ...nameServers]) {
    const refusal = name === undefined ? undefined : judgeDomain(plain(name));
    if (refusal) throw wrongUsage(`'${name ?? ''}' ${refusal.message}`, refusal.remedy, refusal.code);
  }
  return { format, nameServers, check, ...(zone === undefined ? {} : { zone: plain(zone) }), ...(server === undefined ? {} : { server }) };
}

/** As it is often copied: with the last dot. */
function plain(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

async function show(session: Session, records: readonly DnsRecord[], { format, zone, domain, nameServers }: Choice & { readonly zone: string; readonly domain: string }): Promise<object> {
  const { recordRows, formHeader, formRows } = await import('../../ship/dns/record-rows.ts');
  const { namesWithoutAddress, privateAddresses } = await import('../../ship/dns/warnings.ts');
  const rows = recordRows(records);
  const print: Readonly<Record<Format, () => Promise<string>>> = {
    table: async () => (await import('../report/format.ts')).formatTable(formHeader, formRows(records, zone)),
    bind: async () => {
      const { zoneFile } = await import('../../ship/dns/zone-file.ts');
      // Seconds since 1970 always grow, and fit until 2106.
      return zoneFile(records, zone, nameServers.length > 0 ? { nameServers, serial: Math.floor(Date.now() / 1000) } : undefined);
    },
    dnsmasq: async () => (await import('../../ship/dns/dnsmasq.ts')).dnsmasqConfiguration(records),
    hosts: async () => (await import('../../ship/dns/hosts-file.ts')).hostsFile(records),
    json: () => Promise.resolve(rows.map((row) => JSON.stringify(row)).join('\n')),
  };
  const text = await print[format]();
  const warnings = [...privateAddresses(records), ...namesWithoutAddress(records, domain)];
  warn(session, warnings);
  session.print(text);
  return { zone, records: rows, warnings };
}

async function check(session: Session, records: readonly DnsRecord[], { format, server }: Choice): Promise<object> {
  const { context } = session;
  const { openResolver } = await import('../../host/dns/resolver.ts');
  const { recordSets } = await import('../../ship/dns/record-sets.ts');
  const { privateAddresses } = await import('../../ship/dns/warnings.ts');
  using resolver = await openResolver(context, server === undefined ? {} : { server });
  if (session.dryRun) {
    const questions = recordSets(records).map(({ name, type }) => ({ name, type }));
    session.print(questions.map(({ name, type }) => `${resolver.name}: ${type} ${name}`).join('\n'));
    return { server: resolver.name, questions };
  }
  const { checkDns } = await import('../../ship/dns/check.ts');
  const { checkError, describeFinding } = await import('../../ship/dns/check-error.ts');
  const { runTasks } = await import('../../tasks.ts');
  let report: DnsReport = { findings: [], warnings: [] };
  await runTasks(context, [{
    id: 'dns',
    title: `Ask ${resolver.name}`,
    run: async ({ detail }) => {
      report = await checkDns(records, resolver);
      detail(`${report.findings.filter(({ state }) => state === 'ok').length} of ${report.findings.length} answers are as wanted`);
    },
  }]);
  const { findings } = report;
  const warnings = [...privateAddresses(records), ...report.warnings];
  warn(session, warnings);
  session.print(findings.map((finding) => (format === 'json' ? JSON.stringify(finding) : `${finding.state.padEnd(8)}  ${describeFinding(finding)}`)).join('\n'));
  const result = { server: resolver.name, findings, warnings };
  const error = checkError(findings, resolver.name, records, result);
  if (error) throw error;
  return result;
}

function warn({ context }: Session, warnings: readonly DnsWarning[]): void {
  for (const { code, message, remedy } of warnings) context.emit({ type: 'log', level: 'warning', message: `${message} (${code}). ${remedy}` });
}
