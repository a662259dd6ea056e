import type { Context } from '../context.ts';
import { ShipError } from '../errors.ts';
import { runnablePlatforms } from '../host/engine/emulation.ts';
import { findEngine } from '../host/engine/find-engine.ts';
import { findProgram } from '../host/engine/open-engine.ts';
import { exists } from '../host/files.ts';
import { run } from '../host/process.ts';
import { formatPlatform } from '../oci/platform.ts';
import type { Machine } from './machine.ts';
import { includesPurpose, type Check, type Finding, type Purpose } from './requirement.ts';
import { requirements } from './requirements.ts';

type Answer = Omit<Finding, 'requirement'>;

const answersWithinMs = 20_000;

/**
 * Looks at everything that `purpose` needs; changes nothing.
 * @throws ShipError E_INTERRUPTED
 */
export async function inspect(context: Context, machine: Machine, purpose: Purpose): Promise<readonly Finding[]> {
  const needed = requirements.filter(
    (requirement) =>
      includesPurpose(purpose, requirement.purpose) && (machine.platform === 'linux' || !requirement.linuxOnly),
  );
  const findings: Finding[] = [];
  for (const requirement of needed) {
    findings.push({ requirement, ...(await answer(context, machine, requirement.check)) });
  }
  return findings;
}

async function answer(context: Context, machine: Machine, check: Check): Promise<Answer> {
  switch (check.kind) {
    case 'node': {
      const isMet = Number.parseInt(process.versions.node, 10) >= check.minimumMajor;
      return { isMet, isInstalled: isMet, detail: process.versions.node };
    }
    case 'program': {
      const found = await findProgram(context, check.name);
      return answerOf(found !== undefined, found ?? 'not installed');
    }
    case 'file': {
      const isThere = await exists(check.path);
      return answerOf(isThere, isThere ? check.path : 'not installed');
    }
    case 'command':
      return await answerOfCommand(context, check);
    case 'engine':
      return await answerOfEngine(context, machine);
    case 'emulation': {
      const platforms = (await runnablePlatforms(context)).map(formatPlatform);
      const isMet = platforms.includes(check.platform);
      return { isMet, isInstalled: machine.hasQemu, detail: isMet ? 'works' : `runs ${platforms.join(', ') || 'nothing'} only` };
    }
  }
}

async function answerOfCommand(context: Context, check: Extract<Check, { kind: 'command' }>): Promise<Answer> {
  try {
    const { stdout } = await run(context, check, { timeoutMs: answersWithinMs });
    return answerOf(true, stdout.split('\n')[0] ?? '');
  } catch (error) {
    if (!(error instanceof ShipError) || error.code === 'E_INTERRUPTED') throw error;
    return answerOf(false, error.code === 'E_COMMAND_NOT_FOUND' ? 'not installed' : error.message);
  }
}

async function answerOfEngine(context: Context, machine: Machine): Promise<Answer> {
  const engine = await findEngine(context);
  if (engine) return answerOf(true, `${engine.version} answers, image store ${engine.imageStore}`);
  if (machine.platform !== 'linux') return answerOf(false, 'none answers: start Docker Desktop');
  const dockerd = await findProgram(context, 'dockerd');
  if (!dockerd) return answerOf(false, 'none answers, and dockerd is not installed');
  if (machine.isRoot) return answerOf(true, `none answers; a private one will be started (${dockerd})`);
  const detail = 'none answers to this user: start it (`sudo systemctl start docker`) and join the group docker, or run this as root';
  return { isMet: false, isInstalled: true, detail };
}

/** For checks where being there is all that is asked. */
function answerOf(isMet: boolean, detail: string): Answer {
  return { isMet, isInstalled: isMet, detail };
}
