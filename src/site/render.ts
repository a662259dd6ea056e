import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ConfigurationError, ExitStatus, ShipError } from '../errors.ts';
import { Secret } from '../secret.ts';
import type { HostFileTemplate } from './host/host-policy.ts';
import type { Deployment } from './model.ts';
import { GeneratedSecret, UnsetSecret } from './secrets.ts';
import { checkCompose } from './template/compose-check.ts';
import { createEngine, TemplateFailure, type Filter } from './template/engine.ts';
import type { FileTemplate } from './template/file-template.ts';
import { templateScope } from './template/scope.ts';
import { lineMap } from './template/line-map.ts';
import { suggest } from './yaml/nearest.ts';
import { displayPath } from './yaml/source-document.ts';

/** A file of the release that containers mount read-only. */
export interface RenderedFile {
  readonly name: string;
  /** 12 hex digits of the sha256 over name, mode, owner and content: the file's folder on the host, which never changes. */
  readonly hash: string;
  /** Permission bits, 0o640. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly content: Buffer;
}

/** A file of the release that the host itself gets. */
export interface RenderedHostFile extends RenderedFile {
  /** Absolute path on the host. */
  readonly path: string;
  readonly action?: string;
}

export interface RenderedDeployment {
  /** The Compose file, complete: it needs no environment. */
  readonly compose: string;
  readonly files: readonly RenderedFile[];
  readonly hostFiles: readonly RenderedHostFile[];
  /** The secrets that the Compose file or a file of the host names, sorted: the host must hold them before it can run. */
  readonly secrets: readonly string[];
  /** Those of them that the host makes itself, because the site gives none. */
  readonly generatedSecrets: readonly string[];
}

/** Where the updater keeps rendered files and secrets on a host. */
const filesDirectory = '/var/lib/prose-ship/files';
const secretsDirectory = '/var/lib/prose-ship/secrets';

/**
 * Renders a recipe's files and its Compose template with a site's values. The same inputs give the same bytes.
 * @param references Component name → pinned image reference; one for every component.
 * @throws ConfigurationError with every problem of the templates and of the Compose file that they give
 */
export async function renderDeployment(deployment: Deployment, references: ReadonlyMap<string, string>): Promise<RenderedDeployment> {
  const { site, recipe, variables } = deployment;
  const scope = templateScope(site, recipe, variables);
  const problems: ShipError[] = [];
  const collect = (error: unknown): undefined => {
    if (!(error instanceof TemplateFailure)) throw error;
    problems.push(...error.problems);
  };

  const engine = createEngine(recipe.directory);
  const files: RenderedFile[] = [];
  for (const template of recipe.files) {
    const text = await engine.renderFile(template.template, scope).catch(collect);
    files.push(renderedFile(template, text ?? ''));
  }

  const mounted = new Set<string>();
  const filters = composeFilters(deployment, files, references, mounted);
  const hostEngine = createEngine(recipe.directory, filters);
  const hostFiles: RenderedHostFile[] = [];
  for (const template of recipe.host?.files ?? []) {
    const text = await hostEngine.renderFile(template.template, scope).catch(collect);
    hostFiles.push(renderedHostFile(template, text ?? ''));
  }

  if (recipe.processes) {
    if (problems.length > 0) throw new ConfigurationError(problems);
    return { compose: composeOfProcesses, files, hostFiles, secrets: [], generatedSecrets: [] };
  }

  const composeEngine = createEngine(recipe.directory, filters, escapeDollars);
  const compose = await composeEngine.renderFile(recipe.composeTemplate, scope).catch(collect);
  if (compose !== undefined && problems.length === 0) {
    const file = displayPath(recipe.composeTemplate);
    const template = await readFile(recipe.composeTemplate, 'utf8');
    const templateLines = await lineMap(template, compose, (marked) => composeEngine.renderText(marked, scope, { file }));
    const placeOf = (line: number, column: number) => {
      const templateLine = templateLines?.[line - 1];
      return templateLine === undefined ? { file } : { file, line: templateLine, column };
    };
    problems.push(...checkCompose(compose, { project: site.name, recipe, references, placeOf }));
  }
  if (compose === undefined || problems.length > 0) throw new ConfigurationError(problems);
  const secrets = [...mounted].sort();
  return { compose, files, hostFiles, secrets, generatedSecrets: secrets.filter((name) => variables[name] instanceof GeneratedSecret) };
}

/** Every release has the file; nobody reads this one. */
const composeOfProcesses = '# This release is for hosts without an engine; its plans say how the services run.\nservices: {}\n';

function renderedHostFile(template: HostFileTemplate, text: string): RenderedHostFile {
  return { ...renderedFile(template, text), path: template.path, ...(template.action === undefined ? {} : { action: template.action }) };
}

function renderedFile({ name, mode, uid, gid }: FileTemplate, text: string): RenderedFile {
  const content = Buffer.from(text);
  const hash = createHash('sha256').update(JSON.stringify([name, mode, uid, gid])).update('\0').update(content).digest('hex').slice(0, 12);
  return { name, hash, mode, uid, gid, content };
}

function composeFilters({ variables }: Deployment, files: readonly RenderedFile[], references: ReadonlyMap<string, string>, mounted: Set<string>): Record<string, Filter> {
  return {
    file: (value) => {
      const name = String(value);
      const file = files.find((one) => one.name === name);
      if (!file) throw refusal('E_UNKNOWN_FILE', `The recipe has no file '${name}'`, suggest(name, files.map((one) => one.name), 'Its files'));
      return `${filesDirectory}/${file.hash}/${file.name}`;
    },
    image: (value) => {
      const name = String(value);
      const reference = references.get(name);
      if (reference === undefined) throw refusal('E_UNKNOWN_COMPONENT', `The recipe has no component '${name}'`, suggest(name, references.keys(), 'Its components'));
      return reference;
    },
    secret_file: (value) => {
      const name = String(value);
      const secrets = Object.keys(variables).filter((one) => variables[one] instanceof Secret);
      const secret = variables[name];
      if (!(secret instanceof Secret)) throw refusal('E_UNKNOWN_VARIABLE', `The recipe has no secret '${name}'`, suggest(name, secrets, 'Its secrets'));
      if (secret instanceof UnsetSecret && !(secret instanceof GeneratedSecret)) {
        throw refusal('E_MISSING_VALUE', `The template mounts the secret '${name}', which the site does not give`, `Wrap it in {% if ${name} %}, make it \`required: true\`, or give it under \`secrets\` of the site.`);
      }
      mounted.add(name);
      return `${secretsDirectory}/${name}`;
    },
  };
}

/** Compose would interpolate a `$` in a value (Compose Specification, "Interpolation"). */
function escapeDollars(text: string): string {
  return text.replaceAll('$', '$$$$');
}

function refusal(code: ShipError['code'], message: string, remedy: string): ShipError {
  return new ShipError({ code, message, remedy, exitStatus: ExitStatus.usage });
}
