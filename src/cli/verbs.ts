import { account } from './commands/host/account.ts';
import { authority } from './commands/host/authority.ts';
import { backup, restore } from './commands/host/backup.ts';
import { boot } from './commands/boot.ts';
import { bake } from './commands/bake.ts';
import { build } from './commands/build.ts';
import { bundle } from './commands/site/bundle.ts';
import { check } from './commands/check.ts';
import { completionOf } from './commands/completion.ts';
import { discover } from './commands/host/discover.ts';
import { dns } from './commands/dns.ts';
import { doctor } from './commands/doctor.ts';
import { flash } from './commands/flash.ts';
import { init } from './commands/init.ts';
import { exec, logs, status } from './commands/host/inspect-host.ts';
import { plan } from './commands/plan.ts';
import { provision } from './commands/host/provision.ts';
import { release } from './commands/release.ts';
import { ports } from './commands/host/ports.ts';
import { restart, start, stop } from './commands/host/services.ts';
import { rollback } from './commands/host/rollback.ts';
import { push, update } from './commands/host/update.ts';
import { steps } from './commands/site/steps.ts';
import { verify } from './commands/verify.ts';
import type { Verb } from './verb.ts';

/** In the order in which a person meets them. */
export const verbs: readonly Verb[] = [
  init,
  check,
  steps,
  plan,
  build,
  release,
  verify,
  bundle,
  bake,
  boot,
  flash,
  discover,
  provision,
  ports,
  push,
  update,
  rollback,
  start,
  stop,
  restart,
  backup,
  restore,
  status,
  logs,
  exec,
  account,
  authority,
  dns,
  doctor,
  completionOf(() => verbs),
];
