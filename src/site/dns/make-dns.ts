import type { DnsType } from '../../host/dns/data.ts';
import { formatDnsData } from '../../host/dns/data.ts';
import type { DnsRecord } from './record.ts';
import { adoptFailure } from '../recipe/components.ts';
import type { DnsRecordInput } from '../schema/dns-schema.ts';
import { judgeDomain, type Refusal } from '../schema/words.ts';
import type { Engine } from '../template/engine.ts';
import type { Problems } from '../yaml/problems.ts';
import type { Path } from '../yaml/source-document.ts';
import { show } from '../yaml/validate.ts';
import { checkRecords, type PlacedRecord } from './check-records.ts';
import { isRefusal, judgeDnsName, plainDnsName, readDnsData } from './read-data.ts';

/** The recipe's DNS records with the site's values, checked one by one and against each other. What renders to nothing is left out. */
export async function makeDns(inputs: readonly DnsRecordInput[], engine: Engine, scope: object, problems: Problems): Promise<readonly DnsRecord[]> {
  const placed: PlacedRecord[] = [];
  for (const [index, input] of inputs.entries()) {
    const at = ['dns', index];
    for (const [value, valueAt] of valuesOf(input, at)) {
      const record = await makeRecord(input, value, { at, valueAt, problems, engine, scope });
      if (record) placed.push({ record, at: valueAt });
    }
  }
  checkRecords(placed, problems);
  return placed.map(({ record }) => record);
}

function valuesOf({ value }: DnsRecordInput, at: Path): [string, Path][] {
  return typeof value === 'string' ? [[value, [...at, 'value']]] : value.map((one, index) => [one, [...at, 'value', index]]);
}

interface Making {
  readonly at: Path;
  readonly valueAt: Path;
  readonly problems: Problems;
  readonly engine: Engine;
  readonly scope: object;
}

async function makeRecord({ name, type, ttl, purpose }: DnsRecordInput, value: string, making: Making): Promise<DnsRecord | undefined> {
  const { at, valueAt, problems } = making;
  const renderedValue = await render(value, valueAt, making);
  if (renderedValue === undefined || renderedValue === '') return undefined;
  const renderedName = await render(name, [...at, 'name'], making);
  if (renderedName === undefined) return undefined;
  const owner = plainDnsName(renderedName);
  const wrongName = judgeOwner(owner, type);
  if (wrongName) problems.add([...at, 'name'], wrongName.code, `The ${type} record's name ${show(renderedName)} ${wrongName.message}`, wrongName.remedy);
  const data = readDnsData(type, renderedValue);
  if (isRefusal(data)) {
    problems.add(valueAt, data.code, `${show(renderedValue)}, the value of ${type} ${owner}, ${data.message}`, data.remedy);
    return undefined;
  }
  if (wrongName) return undefined;
  return { name: owner, ttlSeconds: ttl, data, text: formatDnsData(data), ...(purpose === undefined ? {} : { purpose }) };
}

/** Undefined where the template is at fault. */
async function render(text: string, at: Path, { problems, engine, scope }: Making): Promise<string | undefined> {
  const before = problems.all.length;
  const rendered = await engine.renderText(text, scope, problems.document.placeOf(at)).catch((error: unknown) => adoptFailure(error, at, problems));
  return problems.all.length > before ? undefined : rendered.trim();
}

/** RFC 2782: services stand below `_SERVICE._PROTOCOL`. Addresses belong to hosts (RFC 1123, 2.1). */
function judgeOwner(name: string, type: DnsType): Refusal | undefined {
  if (type === 'SRV' && !/^_[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\._[a-z0-9-]+\.[^.]/.test(name)) {
    return { code: 'E_BAD_DOMAIN', message: 'does not say which service it is', remedy: 'It begins with the service and the protocol: _xmpp-client._tcp.example.org.' };
  }
  return type === 'A' || type === 'AAAA' ? judgeDomain(name.replace(/^\*\./, '')) : judgeDnsName(name);
}
