import { Secret } from '../../secret.ts';
import type { Deployment } from '../../site/model.ts';
import { UnsetSecret, resolveSecrets } from '../../site/secrets.ts';
import type { Session } from '../verb.ts';

/** The values that the release wants on the host, as far as the site says where they come from. */
export async function runtimeSecrets(session: Session, deployment: Deployment | undefined, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (!deployment || names.length === 0) return new Map();
  const { variables } = await resolveSecrets(session.context, deployment, names);
  const given = names.flatMap((name): [string, string][] => {
    const value = variables[name];
    return value instanceof Secret && !(value instanceof UnsetSecret) ? [[name, value.reveal()]] : [];
  });
  return new Map(given);
}
