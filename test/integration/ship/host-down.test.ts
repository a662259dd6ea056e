import path from 'node:path';
import test from 'ava';
import { errorCode, proseShip } from '../../support/command-line.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { createArmHost, environmentOf } from '../../support/chat/prosody-releases.ts';

const repository = path.resolve(import.meta.dirname, '../../..');

test('an engine that does not run and a host that cannot be reached are told apart', async (t) => {
  const host = await createArmHost('dead', { engine: false });
  try {
    await host.exec(`mkdir -p /usr/lib/prose-ship && cp -r ${path.join(repository, 'src/device')}/updater* /usr/lib/prose-ship/`);
    const options = { environment: environmentOf(host), cwd: await temporaryDirectory('host-down') };
    const stopped = await proseShip(['status', 'dead'], options);
    t.is(stopped.exitCode, 3);
    t.is(errorCode(stopped), 'E_ENGINE_NOT_RUNNING');
    await host.setLinkUp(false);
    const unreachable = await proseShip(['status', 'dead'], options);
    t.is(unreachable.exitCode, 3);
    t.is(errorCode(unreachable), 'E_HOST_UNREACHABLE');
  } finally {
    await host.destroy();
  }
});
