import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createContext } from '../../../src/context.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import type { Deployment } from '../../../src/site/model.ts';
import { fixtures, problemsOf, temporarySite } from '../temporary-site.ts';

const components = ['server', 'api', 'dashboard', 'web'].map((name) => `  ${name}: {source: ${path.resolve(fixtures, '../../stand-ins/prose-pod', name)}}\n`).join('');
const siteWith = (variables: string) => ({
  'prose-ship.yaml': `schema: 1\nname: prose\nversion: 1.0.0\nrecipe: prose-pod\ndomain: example.org\nvariables: {company_name: Example, ${variables}}\ncomponents:\n${components}`,
});

async function load(t: ExecutionContext, variables: string): Promise<Deployment> {
  return loadDeployment(createContext(), path.join(await temporarySite(t, siteWith(variables)), 'prose-ship.yaml'));
}

const linesOf = ({ recipe }: Deployment) => (recipe.dns ?? []).map(({ name, ttlSeconds, data, text }) => `${name} ${ttlSeconds} ${data.type} ${text}`);
const stepOf = ({ recipe }: Deployment) => recipe.steps?.find(({ title }) => title === 'Add DNS records')?.text ?? '';

test('a pod has addresses, aliases for its pages, and a service for clients', async (t) => {
  const pod = await load(t, 'pod_ipv4: 203.0.113.7, client_port: 5333');
  t.deepEqual(linesOf(pod), [
    'prose.example.org 600 A 203.0.113.7',
    'example.org 600 A 203.0.113.7',
    'admin.prose.example.org 600 CNAME prose.example.org.',
    'groups.example.org 600 CNAME prose.example.org.',
    '_xmpp-client._tcp.example.org 3600 SRV 0 5 5333 prose.example.org.',
  ]);
  t.regex(stepOf(pod), /`prose-ship dns`.*`prose-ship dns --check`$/);
});

test('with federation other servers find it, and its group chats', async (t) => {
  const lines = linesOf(await load(t, "pod_ipv6: '2001:db8::7', federation: true, server_port: 5270, domain_website: false"));
  t.deepEqual(lines.filter((line) => !line.includes('CNAME')), [
    'prose.example.org 600 AAAA 2001:db8::7',
    '_xmpp-client._tcp.example.org 3600 SRV 0 5 5222 prose.example.org.',
    '_xmpp-server._tcp.example.org 3600 SRV 0 5 5270 prose.example.org.',
    '_xmpp-server._tcp.groups.example.org 3600 SRV 0 5 5270 prose.example.org.',
  ]);
});

test('where the site tells no address, the step says which names need one', async (t) => {
  t.regex(stepOf(await load(t, 'proxy: true')), /A or AAAA records of prose\.example\.org and of example\.org for this device/);
  t.regex(stepOf(await load(t, 'domain_website: false')), /A or AAAA records of prose\.example\.org for this device/);
});

test('behind another proxy the pod may be at the domain itself, whose addresses are there once', async (t) => {
  const lines = linesOf(await load(t, 'proxy: false, pod_domain: example.org, pod_ipv4: 203.0.113.7'));
  t.deepEqual(lines.filter((line) => / A | SRV /.test(line)), ['example.org 600 A 203.0.113.7', '_xmpp-client._tcp.example.org 3600 SRV 0 5 5222 example.org.']);
});

const wrong: Record<string, readonly [variables: string, code: string, message: RegExp]> = {
  'a dashboard at the domain itself': ['dashboard_domain: example.org', 'E_RULE', /alias at the chat domain itself, example\.org/],
  'a web app at the group chats, which are an alias': ['pod_domain: groups.example.org, pod_ipv4: 203.0.113.7', 'E_DNS_CNAME_CONFLICT', /'groups\.example\.org' would be CNAME/],
  'an address that is none': ['pod_ipv4: 203.0.113.256', 'E_BAD_RECORD', /203\.0\.113\.256/],
};

for (const [title, [variables, code, message]] of Object.entries(wrong)) {
  test(`refuses ${title}`, async (t) => {
    const problem = (await problemsOf(t, siteWith(variables))).find((one) => one.code === code);
    t.regex(problem?.message ?? '', message);
    t.truthy(problem?.remedy);
  });
}
