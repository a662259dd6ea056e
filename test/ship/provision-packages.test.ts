import test from 'ava';
import { execa } from 'execa';
import { ExitStatus, ShipError } from '../../src/errors.ts';
import type { Connection } from '../../src/host/ssh/connection.ts';
import { missingPackages } from '../../src/ship/provision.ts';

/** This machine in place of a host: the same commands without a login. */
function localHost(searchPath = process.env['PATH'] ?? ''): Pick<Connection, 'name' | 'run'> {
  return {
    name: 'pi',
    run: async ([program = '', ...args], { expect = [] } = {}) => {
      const result = await execa(program === 'sh' ? '/bin/sh' : program, args, { reject: false, env: { PATH: searchPath } });
      const exitCode = result.exitCode ?? -1;
      if (exitCode !== 0 && !expect.includes(exitCode)) throw new Error(`exit status ${exitCode}: ${result.stderr}`);
      return { exitCode, stdout: result.stdout, stderr: result.stderr };
    },
  };
}

test('only what dpkg does not know as installed is missing', async (t) => {
  t.deepEqual(await missingPackages(localHost(), ['dpkg', 'no-such-package-of-ours', 'coreutils']), ['no-such-package-of-ours']);
  t.deepEqual(await missingPackages(localHost(), ['coreutils']), []);
});

test('a host without apt is told what to install, and is asked nothing when nothing is needed', async (t) => {
  const bare = localHost('/nonexistent');
  t.deepEqual(await missingPackages(bare, []), []);
  const error = await t.throwsAsync<ShipError>(missingPackages(bare, ['nginx', 'certbot']), { instanceOf: ShipError });
  t.like(error, { code: 'E_NO_APT', exitStatus: ExitStatus.preflight, message: 'pi has no apt, and the recipe needs nginx, certbot there' });
  t.regex(error.remedy ?? '', /apt-get install -y --no-install-recommends nginx certbot$/);
});
