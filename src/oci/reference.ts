/** An image reference `[registry/]repository[:tag]` (distribution, reference/reference.go). */
export interface Reference {
  readonly repository: string;
  readonly tag: string;
}

const repositoryPattern =
  /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d+)?\/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^\w[\w.-]{0,127}$/;

export function isRepository(text: string): boolean {
  return repositoryPattern.test(text) && text.length <= 255;
}

export function parseReference(text: string): Reference | undefined {
  const colon = text.lastIndexOf(':');
  const hasTag = colon > text.lastIndexOf('/');
  const repository = hasTag ? text.slice(0, colon) : text;
  const tag = hasTag ? text.slice(colon + 1) : 'latest';
  return isRepository(repository) && tagPattern.test(tag) ? { repository, tag } : undefined;
}

export function formatReference({ repository, tag }: Reference): string {
  return `${repository}:${tag}`;
}

/** The full name under which containerd files an image: `app:1` is `docker.io/library/app:1` (distribution, normalize.go). */
export function canonicalName(reference: string): string {
  const [first = '', ...rest] = reference.split('/');
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  if (hasRegistry) return reference;
  return rest.length > 0 ? `docker.io/${reference}` : `docker.io/library/${reference}`;
}
