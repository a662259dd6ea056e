import path from 'node:path';
import test from 'ava';
import { osImageSources, osImageStep, type OsImageBuild } from '../../../src/bake/assemble/os-image-build.ts';
import { buildxBuild } from '../../../src/build/buildx.ts';
import { formatCommand } from '../../../src/host/process.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';

const dockerfiles = path.resolve(import.meta.dirname, '../../../dockerfiles');
const registry = { kind: 'registry', reference: 'debian:trixie-slim' } as const;
const build: OsImageBuild = {
  platform: parsePlatform('linux/arm64')!,
  sourceDateEpoch: 1_735_689_600,
  builder: {},
  noCache: false,
  tools: { base: registry },
  customiseDirectory: '/w/customise',
};
const line = (...args: Parameters<typeof osImageStep>) => formatCommand(buildxBuild(osImageStep(...args))).replaceAll(dockerfiles, '/dockerfiles');
const start = 'docker buildx build --progress=plain --provenance=false --sbom=false --platform linux/arm64 --file /dockerfiles/os-image.Dockerfile';

test('the base debian from a registry: no root file system, no sources of ours', (t) => {
  t.is(
    line(build, 'inventory', { kind: 'files', directory: '/w/inventory' }),
    `${start} --target inventory --build-arg OS_BASE=debian --build-arg SOURCE_DATE_EPOCH=1735689600` +
      ' --build-context customise=/w/customise --output type=local,dest=/w/inventory /dockerfiles/os-image',
  );
});

test('the base debian of Debian packages: this machine\'s sources are for tools and card', (t) => {
  const base = { ...registry, kind: 'bootstrap', directory: '/c/base', tag: 'trixie-slim', suite: 'trixie', aptSourcesFile: '/c/debian.sources', isCached: true } as const;
  t.is(
    line({ ...build, noCache: true, tools: { base, context: 'oci-layout:///c/base:trixie-slim' } }, 'inventory', { kind: 'files', directory: '/o' }),
    `${start} --target inventory --build-arg OS_BASE=debian --build-arg SOURCE_DATE_EPOCH=1735689600` +
      ' --build-context debian:trixie-slim=oci-layout:///c/base:trixie-slim --build-context customise=/w/customise' +
      ' --secret id=apt-sources,src=/c/debian.sources --secret id=os-apt-sources,src=/c/debian.sources --no-cache --output type=local,dest=/o /dockerfiles/os-image',
  );
});

test('an image as base: its root file system is a context, its own sources are used, secrets come as files', (t) => {
  const base = { ...registry, kind: 'bootstrap', directory: '/c/base', tag: 'trixie-slim', suite: 'trixie', aptSourcesFile: '/c/debian.sources', isCached: true } as const;
  const image = { ...build, builder: { dockerHost: 'unix:///run/e.sock' }, tools: { base, context: 'oci-layout:///c/base:trixie-slim' }, rootfsContext: 'oci-layout:///c/root:rootfs' };
  t.deepEqual(buildxBuild(osImageStep(image, 'image', { kind: 'files', directory: '/o' })).env, { DOCKER_HOST: 'unix:///run/e.sock' });
  t.is(
    line(image, 'image', { kind: 'files', directory: '/o' }, { layoutDirectory: '/w/layout', secretFiles: { 'card-secrets': '/run/s/0' } }),
    `${start} --target image --build-arg OS_BASE=rootfs --build-arg SOURCE_DATE_EPOCH=1735689600` +
      ' --build-context debian:trixie-slim=oci-layout:///c/base:trixie-slim --build-context rootfs=oci-layout:///c/root:rootfs --build-context customise=/w/customise --build-context layout=/w/layout' +
      ' --secret id=apt-sources,src=/c/debian.sources --secret id=card-secrets,src=/run/s/0 --output type=local,dest=/o /dockerfiles/os-image',
  );
});

test('what an image is made by is what the build is given', (t) => {
  const step = osImageStep(build, 'image', { kind: 'files', directory: '/o' });
  t.deepEqual([...osImageSources], [step.dockerfile, step.contextDirectory]);
});
