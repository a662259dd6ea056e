import test from 'ava';
import { buildxBuild, imagetoolsInspect, buildxInspect, parseDriver, type BuildxStep } from '../../src/build/buildx.ts';
import { formatCommand } from '../../src/host/process.ts';
import { parsePlatform } from '../../src/oci/platform.ts';

const step: BuildxStep = {
  contextDirectory: '/recipe/server',
  dockerfile: '/recipe/server.Dockerfile',
  platforms: [parsePlatform('linux/arm/v7')!, parsePlatform('linux/arm64')!],
  sourceDateEpoch: 1_735_689_600,
  args: {},
  secretFiles: {},
  namedContexts: {},
  noCache: false,
  output: { kind: 'layout', directory: '/out/server' },
};

test('one command line builds all platforms into an OCI layout', (t) => {
  t.deepEqual(buildxBuild(step), {
    program: 'docker',
    args: [
      'buildx',
      'build',
      '--progress=plain',
      '--provenance=false',
      '--sbom=false',
      '--platform',
      'linux/arm/v7,linux/arm64',
      '--file',
      '/recipe/server.Dockerfile',
      '--build-arg',
      'SOURCE_DATE_EPOCH=1735689600',
      '--output',
      'type=oci,dest=/out/server,tar=false,rewrite-timestamp=true,compression=uncompressed,force-compression=true',
      '/recipe/server',
    ],
  });
});

test('every part of a step has its option', (t) => {
  const command = buildxBuild({
    ...step,
    dockerHost: 'unix:///run/private.sock',
    builder: 'default',
    target: 'final',
    args: { VERSION: '1.0', SOURCE_DATE_EPOCH: '1' },
    secretFiles: { token: '/run/user/0/s/0' },
    namedContexts: { 'debian:trixie-slim': 'oci-layout:///cache/base:trixie-slim' },
    cacheFrom: '/cache/server',
    cacheTo: '/new/server',
    noCache: true,
    output: { kind: 'load', reference: 'prose-ship-build/server:linux-arm64-1' },
  });
  t.is(
    formatCommand(command),
    [
      'docker buildx build --builder default --progress=plain --provenance=false --sbom=false --platform linux/arm/v7,linux/arm64',
      '--file /recipe/server.Dockerfile --target final --build-arg VERSION=1.0 --build-arg SOURCE_DATE_EPOCH=1735689600',
      '--build-context debian:trixie-slim=oci-layout:///cache/base:trixie-slim --secret id=token,src=/run/user/0/s/0',
      '--cache-from type=local,src=/cache/server --cache-to type=local,dest=/new/server,mode=max --no-cache',
      '--load --tag prose-ship-build/server:linux-arm64-1 /recipe/server',
    ].join(' '),
  );
  t.deepEqual(command.env, { DOCKER_HOST: 'unix:///run/private.sock' });
});

test('a path with a comma or a quote stays one field of its option', (t) => {
  const { args } = buildxBuild({ ...step, cacheFrom: '/a,b', output: { kind: 'layout', directory: '/say "hi"' } });
  t.is(args[args.indexOf('--cache-from') + 1], 'type=local,"src=/a,b"');
  t.true(args[args.indexOf('--output') + 1]?.startsWith('type=oci,"dest=/say ""hi""",tar=false'));
});

test('the builder is asked by the same engine and name', (t) => {
  const surroundings = { builder: 'farm', dockerHost: 'unix:///d.sock' };
  t.is(formatCommand(buildxInspect(surroundings)), 'docker buildx inspect farm');
  t.deepEqual(buildxInspect(surroundings).env, { DOCKER_HOST: 'unix:///d.sock' });
  t.is(formatCommand(imagetoolsInspect({}, 'debian:trixie-slim')), 'docker buildx imagetools inspect --raw debian:trixie-slim');
});

test('the driver is read from what buildx 0.13 prints', (t) => {
  t.is(parseDriver('Name:          default\nDriver:        docker\nLast Activity: 2025-01-01 00:00:00 +0000 UTC\n'), 'docker');
  t.is(parseDriver(''), undefined);
});
