import test from 'ava';
import { ConfigurationError } from '../../src/errors.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { Secret } from '../../src/secret.ts';
import { buildSecrets, defaultSourceDateEpoch, planBuild } from '../../src/build/plan.ts';
import { sampleDeployment } from './sample-deployment.ts';

test('a plan is frozen data with every component and platform, and the same each time', (t) => {
  const options = { outputDirectory: '/out', environment: {} };
  const plan = planBuild(sampleDeployment(), options);
  t.deepEqual(plan, {
    platforms: [
      { os: 'linux', architecture: 'arm', variant: 'v7' },
      { os: 'linux', architecture: 'arm64' },
    ],
    sourceDateEpoch: defaultSourceDateEpoch,
    bases: 'auto',
    noCache: false,
    components: [
      {
        component: 'server',
        source: { kind: 'local', directory: '/recipe/server' },
        dockerfile: '/recipe/server.Dockerfile',
        args: { COMPONENT_VERSION: '13.0.1', CARGO_PROFILE: 'dev' },
        secretIds: ['token'],
        bases: ['debian:trixie-slim'],
        layoutDirectory: '/out/server',
      },
      {
        component: 'web',
        source: { kind: 'local', directory: '/recipe/web' },
        dockerfile: '/recipe/web.Dockerfile',
        target: 'final',
        args: { COMPONENT_VERSION: '1.0.0' },
        secretIds: [],
        bases: [],
        layoutDirectory: '/out/web',
      },
    ],
  });
  t.deepEqual(planBuild(sampleDeployment(), options), plan);
  t.throws(() => Object.assign(plan.components[0]!.args, { X: '1' }), { instanceOf: TypeError });
});

test('options narrow the plan; each component has its own cache folder', (t) => {
  const plan = planBuild(sampleDeployment(), {
    outputDirectory: '/out',
    components: ['web'],
    platforms: [parsePlatform('linux/arm64')!],
    builder: 'farm',
    bases: 'registry',
    cacheFrom: '/cache',
    cacheTo: '/new-cache',
    noCache: true,
    environment: { SOURCE_DATE_EPOCH: '1700000000' },
  });
  t.deepEqual(plan.components.map(({ component, cacheFrom, cacheTo }) => [component, cacheFrom, cacheTo]), [['web', '/cache/web', '/new-cache/web']]);
  t.deepEqual(plan.platforms, [{ os: 'linux', architecture: 'arm64' }]);
  t.is(plan.sourceDateEpoch, 1_700_000_000);
  t.like(plan, { builder: 'farm', bases: 'registry', noCache: true });
});

test('the values of build secrets are not in the plan', (t) => {
  const deployment = sampleDeployment();
  const plan = planBuild(deployment, { outputDirectory: '/out', environment: {} });
  t.false(JSON.stringify(plan).includes('correct horse'));
  t.true(buildSecrets(deployment)['server']?.['token'] instanceof Secret);
});

test('every wrong option is reported at once', (t) => {
  const error = t.throws(
    () =>
      planBuild(sampleDeployment(), {
        outputDirectory: '/out',
        components: ['sever'],
        platforms: [parsePlatform('linux/amd64')!],
        environment: { SOURCE_DATE_EPOCH: 'yesterday' },
      }),
    { instanceOf: ConfigurationError },
  );
  t.is(error.exitStatus, 2);
  t.deepEqual(
    error.problems.map(({ code, message, remedy }) => [code, message, remedy]),
    [
      ['E_COMPONENT_UNKNOWN', "The recipe has no component 'sever'", 'Components: server, web.'],
      [
        'E_PLATFORM_NOT_IN_SITE',
        "The site is not for the platform 'linux/amd64'",
        'Add it to `platforms` of the site file; it has linux/arm/v7, linux/arm64.',
      ],
      [
        'E_SOURCE_DATE_EPOCH',
        "SOURCE_DATE_EPOCH is 'yesterday', which is not a number of seconds",
        'Unset it, or give seconds since 1970.',
      ],
    ],
  );
});
