import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { createContext } from '../../src/context.ts';
import { readAptSources } from '../../src/doctor/apt-sources.ts';
import { fixTasks } from '../../src/doctor/fix.ts';
import { inspect } from '../../src/doctor/inspect.ts';
import { describeMachine } from '../../src/doctor/machine.ts';
import { isEmptyPlan, planFix } from '../../src/doctor/plan.ts';

test('a machine that these tests run on has everything, and a second fix does nothing', async (t) => {
  const context = createContext();
  const machine = await describeMachine(context);
  const findings = await inspect(context, machine, 'test');
  t.deepEqual(findings.filter((finding) => !finding.isMet).map(({ requirement, detail }) => `${requirement.id}: ${detail}`), []);
  const plan = planFix(machine, findings, await readAptSources());
  t.true(isEmptyPlan(plan));
  t.deepEqual(fixTasks(context, machine, 'test', plan), []);
});

test('programs that are not there are found missing', async (t) => {
  const context = createContext({ environment: { PATH: '/nonexistent' } });
  const findings = await inspect(context, await describeMachine(context), 'build');
  const docker = findings.find(({ requirement }) => requirement.id === 'docker')!;
  t.deepEqual([docker.isMet, docker.isInstalled, docker.detail], [false, false, 'not installed']);
});

test('emulation is registered with flag F, once', async (t) => {
  // A user namespace has a registry of its own (Linux 6.7), so this machine's stays as it is.
  const script = path.resolve(import.meta.dirname, '../../src/doctor/register-binfmt.sh');
  const inside = `read -r _; set -eu
    mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
    ls /proc/sys/fs/binfmt_misc
    ${script} qemu-arm qemu-aarch64 && ${script} qemu-arm qemu-aarch64
    ls /proc/sys/fs/binfmt_misc
    grep flags /proc/sys/fs/binfmt_misc/qemu-arm
    echo -1 >/proc/sys/fs/binfmt_misc/qemu-arm
    echo ':qemu-arm:M::MZ::/bin/sh:' >/proc/sys/fs/binfmt_misc/register
    ${script} qemu-arm
    grep flags /proc/sys/fs/binfmt_misc/qemu-arm`;
  const child = spawn('unshare', ['--user', '--mount', '--pid', '--fork', '--kill-child', '--', 'sh', '-c', inside], { stdio: ['pipe', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  const output = Promise.all([text(child.stdout), text(child.stderr)]);
  await once(child, 'spawn');
  for (const map of ['uid_map', 'gid_map']) {
    // The child is still in this namespace for a moment; then the write succeeds once.
    for (let attempt = 0; ; attempt += 1) {
      try {
        await writeFile(`/proc/${child.pid!}/${map}`, '0 0 65536');
        break;
      } catch (error) {
        if (attempt > 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }
  child.stdin.end('go\n');
  const [stdout, stderr] = await output;
  t.is(stderr, '');
  t.deepEqual(stdout.trim().split('\n'), [
    ...['register', 'status'],
    ...['qemu-aarch64', 'qemu-arm', 'register', 'status'],
    ...['flags: POF', 'flags: POF'],
  ]);
});
