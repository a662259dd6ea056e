import { parsePlatform } from '../../src/oci/platform.ts';
import { Secret } from '../../src/secret.ts';
import type { Component, Deployment } from '../../src/site/model.ts';

export function sampleComponent(changes: Partial<Component> = {}): Component {
  const name = changes.name ?? 'web';
  return {
    name,
    repository: `prose-ship/${name}`,
    version: '1.0.0',
    source: { kind: 'local', directory: `/recipe/${name}` },
    dockerfile: `/recipe/${name}.Dockerfile`,
    args: {},
    secrets: {},
    bases: [],
    ...changes,
  };
}

/** A loaded site for both ARM platforms. */
export function sampleDeployment(components: readonly Component[] = sampleComponents()): Deployment {
  return {
    site: {
      file: '/site/prose-ship.yaml',
      name: 'demo',
      version: '1.0.0',
      domain: 'chat.example',
      platforms: [parsePlatform('linux/arm/v7')!, parsePlatform('linux/arm64')!],
      hosts: [],
    },
    recipe: {
      file: '/recipe/recipe.yaml',
      directory: '/recipe',
      name: 'sample',
      version: '1.0.0',
      components,
      composeTemplate: '/recipe/compose.yaml',
      files: [],
      rollout: { services: [], timeoutSeconds: 60, soakSeconds: 5 },
      requires: {},
      data: { version: 1, volumes: [] },
    },
    variables: {},
  };
}

function sampleComponents(): Component[] {
  return [
    sampleComponent({
      name: 'server',
      version: '13.0.1',
      args: { CARGO_PROFILE: 'dev' },
      secrets: { token: new Secret('correct horse') },
      bases: ['debian:trixie-slim'],
    }),
    sampleComponent({ name: 'web', target: 'final' }),
  ];
}
