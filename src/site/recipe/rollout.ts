import type { AccountCommands, Probe, RolloutPolicy } from '../model.ts';
import type { ProbeInput } from '../schema/probe-schema.ts';
import type { RecipeInput } from '../schema/recipe-schema.ts';
import type { Engine } from '../template/engine.ts';
import type { Problems } from '../yaml/problems.ts';
import type { Path } from '../yaml/source-document.ts';
import { adoptFailure } from './components.ts';

type Render = (text: string, at: Path) => Promise<string>;

function renderer(engine: Engine, scope: object, problems: Problems): Render {
  return (text, at) => engine.renderText(text, scope, problems.document.placeOf(at)).catch((error: unknown) => adoptFailure(error, at, problems));
}

/** The recipe's rollout with the templates in its probes rendered. */
export async function makeRollout({ rollout }: RecipeInput, engine: Engine, scope: object, problems: Problems): Promise<RolloutPolicy> {
  const render = renderer(engine, scope, problems);
  const services = [];
  for (const [index, service] of rollout.services.entries()) {
    const probes: Probe[] = [];
    for (const [number, probe] of service.probes.entries()) {
      probes.push(await makeProbe(probe, ['rollout', 'services', index, 'probes', number], render, problems));
    }
    // What is not wanted here never restarts.
    const restartAfter = service.restartAfter.filter((other) => rollout.services.some(({ name }) => name === other));
    services.push({
      name: service.name,
      component: service.component,
      ...(service.kind === 'oneshot' ? { kind: service.kind } : {}),
      probes,
      ...(service.order === 'start-first' ? { startFirst: { drainSeconds: service.drainSeconds } } : {}),
      ...(restartAfter.length > 0 ? { restartAfter } : {}),
      ...(service.maintenancePage === undefined ? {} : { maintenancePage: service.maintenancePage }),
    });
  }
  const { upgradeFrom, timeoutSeconds, soakSeconds } = rollout;
  return { ...(upgradeFrom === undefined ? {} : { upgradeFrom }), services, timeoutSeconds, soakSeconds };
}

async function makeProbe(probe: ProbeInput, at: Path, render: Render, problems: Problems): Promise<Probe> {
  const field = (key: string, text: string) => render(text, [...at, key]);
  switch (probe.type) {
    case 'tcp':
      return { type: 'tcp', host: await field('host', probe.host), port: await makePort(probe.port, [...at, 'port'], render, problems) };
    case 'http':
      return {
        type: 'http',
        url: await field('url', probe.url),
        status: probe.status,
        ...(probe.json
          ? { json: { path: probe.json.path, equals: await render(String(probe.json.equals), [...at, 'json', 'equals']) } }
          : {}),
      };
    case 'tls': {
      const { starttls, minimumDays, trusted } = probe;
      return {
        type: 'tls',
        host: await field('host', probe.host),
        port: await makePort(probe.port, [...at, 'port'], render, problems),
        starttls,
        name: await field('name', probe.name),
        minimumDays,
        trusted,
      };
    }
    case 'xmpp':
      return {
        type: 'xmpp',
        host: await field('host', probe.host),
        port: await makePort(probe.port, [...at, 'port'], render, problems),
        domain: await field('domain', probe.domain),
      };
    case 'command': {
      const command: string[] = [];
      for (const [index, word] of probe.command.entries()) command.push(await render(word, [...at, 'command', index]));
      return { type: 'command', command };
    }
  }
}

async function makePort(port: number | string, at: Path, render: Render, problems: Problems): Promise<number> {
  if (typeof port === 'number') return port;
  const before = problems.all.length;
  const text = await render(port, at);
  const number = Number(text);
  const failed = problems.all.length > before;
  if (!failed && !(Number.isInteger(number) && number >= 1 && number <= 65_535)) {
    problems.add(at, 'E_BAD_VALUE', `The port '${port}' renders to '${text}'`, 'It must render to a number from 1 to 65535: a variable of type port does.');
  }
  return number;
}

/** The recipe's account commands with their templates rendered; `{jid}` and the like stay for the moment of use. */
export async function makeAccounts({ accounts }: RecipeInput, engine: Engine, scope: object, problems: Problems): Promise<AccountCommands | undefined> {
  if (!accounts) return undefined;
  const render = renderer(engine, scope, problems);
  const make = async (verb: 'add' | 'passwd' | 'list') => {
    const command: string[] = [];
    for (const [index, word] of accounts[verb].command.entries()) command.push(await render(word, ['accounts', verb, 'command', index]));
    return { command, input: accounts[verb].input };
  };
  return { service: accounts.service, add: await make('add'), passwd: await make('passwd'), list: await make('list') };
}
