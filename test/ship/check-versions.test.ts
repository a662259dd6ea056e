import test from 'ava';
import type { HostInventory, KeptRelease } from '../../src/device/inventory.ts';
import { ExitStatus, ShipError } from '../../src/errors.ts';
import { checkVersions } from '../../src/ship/check-versions.ts';
import type { UpdateConditions, UpdatePlan } from '../../src/ship/plan-update.ts';

const host: HostInventory = {
  updaterVersion: 3,
  machine: 'aarch64',
  platforms: [],
  engineVersion: '26.1.5+dfsg1',
  store: 'overlay2',
  composeVersion: '2.26.1-4',
  freeBytes: 0,
  engineFreeBytes: 0,
  chains: [],
  releases: [],
};

const conditions: UpdateConditions = { dataVersion: 2, recipe: { name: 'chat', version: '3.0.0' }, engine: '20.10.0', compose: '2.17.0' };
const running: KeptRelease = { id: '1.0.0-0', version: '1.0.0', dataVersion: 2, recipe: { name: 'chat', version: '2.0.0' } };

function plan(changes: Partial<UpdateConditions> = {}, runs: Pick<UpdatePlan, 'current'> = { current: running }): UpdatePlan {
  return {
    ...{ host: 'pi', release: '1.1.0-0', version: '1.1.0', platform: { os: 'linux', architecture: 'arm64' }, isKept: false, images: [], sendBytes: 0, fullBytes: 0 },
    conditions: { ...conditions, ...changes },
    ...runs,
  };
}

const refusals: Record<string, { readonly plan: UpdatePlan; readonly inventory?: Partial<HostInventory>; readonly code: `E_${string}`; readonly message: RegExp; readonly remedy: RegExp }> = {
  'an engine that is too old': { plan: plan({ engine: '27.0.0' }), code: 'E_ENGINE_TOO_OLD', message: /^pi has Docker Engine 26\.1\.5\+dfsg1, release 1\.1\.0 needs 27\.0\.0/, remedy: /newer one/ },
  'a Compose that is too old': { plan: plan({ compose: '2.30.0' }), code: 'E_COMPOSE_TOO_OLD', message: /Docker Compose 2\.26\.1-4, .* needs 2\.30\.0/, remedy: /newer one/ },
  'no Compose at all': { plan: plan(), inventory: { composeVersion: '' }, code: 'E_COMPOSE_TOO_OLD', message: /pi has no Docker Compose/, remedy: /newer one/ },
  'data that a newer release wrote': { plan: plan({ dataVersion: 1 }), code: 'E_DATA_TOO_NEW', message: /on pi has version 2, release 1\.1\.0 reads version 1/, remedy: /^`prose-ship rollback pi`/ },
  'a version that must be passed through': { plan: plan({ upgradeFrom: '>=2.5.0 <3' }), code: 'E_UPGRADE_PATH', message: /pi runs version 2\.0\.0 of the recipe 'chat'; release 1\.1\.0 can only follow 'chat' >=2\.5\.0 <3/, remedy: /version in between first/ },
  'a release for hosts without an engine': { plan: plan({ withoutEngine: true }), code: 'E_WRONG_ENGINE', message: /^pi has a Docker engine, release 1\.1\.0 is for hosts without one/, remedy: /another `profile`/ },
  'a host without an engine': { plan: plan(), inventory: { engineVersion: 'none', composeVersion: '-' }, code: 'E_WRONG_ENGINE', message: /^pi has no engine, release 1\.1\.0 needs one/, remedy: /`engine: none`/ },
  'another recipe': { plan: plan({ upgradeFrom: '*', recipe: { name: 'wiki', version: '1.0.0' } }), code: 'E_UPGRADE_PATH', message: /recipe 'chat'/, remedy: /Check `recipe` in the site file/ },
  'another domain': { plan: plan({ rename: { changes: [{ from: 'a.example', to: 'b.example' }, { from: 'r.a.example', to: 'r.b.example' }] } }), code: 'E_DOMAIN_CHANGED', message: /^Release 1\.1\.0 keeps its data under other names than what runs on pi: a\.example -> b\.example, r\.a\.example -> r\.b\.example$/, remedy: /add --rename-domain/ },
  'another domain that data cannot follow': { plan: plan({ rename: { changes: [{ from: 'a.example', to: 'b.example' }], impossible: 'It is elsewhere.' } }), code: 'E_RENAME_IMPOSSIBLE', message: /a\.example -> b\.example\. It is elsewhere\.$/, remedy: /old names back/ },
};

for (const [title, { plan: planned, inventory, code, message, remedy }] of Object.entries(refusals)) {
  test(`refuses ${title} before anything is touched`, (t) => {
    const error = t.throws(() => checkVersions(planned, { ...host, ...inventory }), { instanceOf: ShipError });
    t.is(error.code, code);
    t.regex(error.message, message);
    t.regex(error.remedy ?? '', remedy);
    t.is(error.exitStatus, ExitStatus.preflight);
  });
}

test('lets through what fits, and what cannot be known', (t) => {
  const old: KeptRelease = { id: running.id, version: running.version };
  for (const [what, planned] of Object.entries({
    'the versions that are asked for': plan({ engine: '26.1.5', compose: '2.26.1', upgradeFrom: '^2.0.0' }),
    'a first release': plan({ upgradeFrom: '>=2.5.0', dataVersion: 1 }, {}),
    'a release that does not tell its recipe': plan({ upgradeFrom: '>=2.5.0', dataVersion: 1 }, { current: old }),
    'the release that runs already': { ...plan({ upgradeFrom: '>=2.5.0' }), release: running.id },
    'newer data': plan({ dataVersion: 3 }),
  })) {
    t.notThrows(() => checkVersions(planned, host), what);
  }
});

test('asked for it, data follows to another domain, where that is possible', (t) => {
  const changes = [{ from: 'a.example', to: 'b.example' }];
  t.notThrows(() => checkVersions(plan({ rename: { changes } }), host, { renameDomain: true }));
  t.throws(() => checkVersions(plan({ rename: { changes, impossible: 'No.' } }), host, { renameDomain: true }), { code: 'E_RENAME_IMPOSSIBLE' });
});
