import type { RecipeInput } from '../schema/recipe-schema.ts';
import { suggest } from '../yaml/nearest.ts';
import type { Problems } from '../yaml/problems.ts';

type ServiceInput = RecipeInput['rollout']['services'][number];

/** What `rollout.services` says about replacing one service while another runs. */
export function checkOrder({ rollout: { services }, files }: RecipeInput, problems: Problems): void {
  for (const [index, service] of services.entries()) {
    checkRestartAfter(service, services.slice(0, index).map(({ name }) => name), index, problems);
    checkProbePorts(service, index, problems);
    const page = service.maintenancePage;
    if (page !== undefined && !(page in files)) {
      problems.add(['rollout', 'services', index, 'maintenancePage'], 'E_UNKNOWN_FILE', `There is no file '${page}'`, suggest(page, Object.keys(files), 'Files'));
    }
  }
}

/** Only services that start before it, so that what is restarted finds the new one, and nothing goes round in a circle. */
function checkRestartAfter({ name, restartAfter }: ServiceInput, before: readonly string[], index: number, problems: Problems): void {
  for (const [at, other] of restartAfter.entries()) {
    if (before.includes(other)) continue;
    problems.add(
      ['rollout', 'services', index, 'restartAfter', at],
      'E_UNKNOWN_SERVICE',
      `'${name}' cannot restart after '${other}', which is no service above it`,
      before.length > 0 ? suggest(other, before, 'Services above it') : 'It is the first; move it below the services that it needs.',
    );
  }
}

/** While two containers run, a fixed port would ask the wrong one. */
function checkProbePorts({ name, order, probes }: ServiceInput, index: number, problems: Problems): void {
  for (const [number, probe] of probes.entries()) {
    const at = ['rollout', 'services', index, 'probes', number];
    const hasPlaceholder = probe.type === 'http' && probe.url.includes('{port}');
    if (order === 'stop-first' && hasPlaceholder) {
      problems.add([...at, 'url'], 'E_PROBE_PORT', `'${name}' has one port only, so \`{port}\` means nothing`, 'Write the port, or make the service `order: start-first`.');
    }
    if (order === 'stop-first' || probe.type === 'command' || hasPlaceholder) continue;
    const remedy = "Ask with an http probe whose port is `{port}`: 'http://127.0.0.1:{port}/'. The updater fills in the port of the container that it asks; or use a command probe.";
    problems.add(at, 'E_PROBE_PORT', `'${name}' starts beside its predecessor, and this probe would ask whichever answers`, remedy);
  }
}
