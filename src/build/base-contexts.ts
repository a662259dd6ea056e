import type { ProvidedBase } from './bases.ts';

/** How buildx names an image of an OCI layout (docs.docker.com, buildx build, --build-context). */
export function layoutContext({ directory, tag }: { readonly directory: string; readonly tag: string }): string {
  return `oci-layout://${directory}:${tag}`;
}

/** Named contexts that stand for bases of Debian packages; a registry's need none. */
export function baseContexts(bases: readonly ProvidedBase[]): Readonly<Record<string, string>> {
  return Object.fromEntries(bases.flatMap((base) => (base.kind === 'bootstrap' ? [[base.reference, layoutContext(base)]] : [])));
}

/** The build secret `apt-sources`, offered when all bases are of one suite: the file names the suite, so it fits no other. */
export function aptSourcesSecret(bases: readonly ProvidedBase[]): Readonly<Record<string, string>> {
  const bootstrapped = bases.flatMap((base) => (base.kind === 'bootstrap' ? [base] : []));
  const [first] = bootstrapped;
  if (!first?.aptSourcesFile || bootstrapped.some(({ suite }) => suite !== first.suite)) return {};
  return { 'apt-sources': first.aptSourcesFile };
}
