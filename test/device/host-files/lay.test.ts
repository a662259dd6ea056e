import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { staticBusybox } from '../busybox.ts';
import { HostFilesBench } from './host-files-bench.ts';

const vhost = (content: string, more: object = {}) => ({ path: 'nginx/site.conf', content, ...more });

async function laid(t: ExecutionContext, shell?: readonly string[]): Promise<HostFilesBench> {
  const bench = await HostFilesBench.create(shell);
  await bench.release('1', [vhost('one\n')]);
  const run = await bench.run('apply_host_files 1');
  t.is(run.status, 0, run.output);
  return bench;
}

for (const [name, shell] of [
  ['dash', () => Promise.resolve(['dash'])],
  ['busybox', async () => [await staticBusybox(), 'sh']],
] as const) {
  test(`${name}: files come, change and go; programs are told only when they did`, async (t) => {
    const bench = await laid(t, await shell());
    t.deepEqual(await bench.tree(bench.etc), { 'nginx/': '755', 'nginx/site.conf': '644 one\n' });
    t.is(await bench.loads(), 1);
    t.is((await bench.run('apply_host_files 1')).output.trim(), '', 'nothing to do');
    await bench.release('2', [vhost('one\n'), { path: 'note', content: '', action: '-' }]);
    t.is((await bench.run('apply_host_files 2')).status, 0);
    t.is(await bench.loads(), 1, 'the new file has no action');
    await bench.release('3', [vhost('one\n', { mode: '0600' })]);
    t.is((await bench.run('apply_host_files 3')).status, 0);
    t.deepEqual(await bench.tree(bench.etc), { 'nginx/': '755', 'nginx/site.conf': '600 one\n' });
    t.is(await bench.loads(), 2, 'other rights are a change');
    await bench.release('4', [], []);
    const gone = await bench.run('apply_host_files 4');
    t.is(gone.status, 0, gone.output);
    t.deepEqual(await bench.tree(bench.etc), {}, 'with the folder that was made for it');
    t.is(await bench.loads(), 3, 'the action of the release before follows, although this one has none');
    t.deepEqual(await bench.records(), {});
  });
}

test('a check that fails keeps every action from running, and the way back needs nothing else', async (t) => {
  const bench = await laid(t);
  const other = ['action-apply', 'first', bench.proxy, 'load'] as const;
  await bench.release('2', [vhost('broken\n'), { path: 'other', content: 'x', action: 'first' }], [['action', 'first', 10], other, ...bench.action()]);
  const run = await bench.run('apply_host_files 2');
  t.is(run.status, 1);
  t.regex(run.output, new RegExp(`error E_HOST_FILE_CHECK the host refuses the new files: '${bench.proxy} check' \\(check of action proxy\\) ended with exit status 1: ./nginx/site.conf`));
  t.is(await bench.loads(), 1);
  const back = await bench.run('restore_host_files 1');
  t.is(back.status, 0, back.output);
  t.deepEqual(await bench.tree(bench.etc), { 'nginx/': '755', 'nginx/site.conf': '644 one\n' });
  t.deepEqual(Object.keys(await bench.records()), ['host-files', 'host-files.d/', 'host-files.d/actions', 'host-files.d/folders']);
});

test('an action that fails or hangs fails a rollout; on the way back and at a boot it stays due', async (t) => {
  const bench = await laid(t);
  const failing = (apply: readonly string[]) => [['action', 'proxy', 1], ['action-apply', 'proxy', ...apply]];
  for (const [id, apply, told] of [
    ['2', ['sh', '-c', 'echo no >&2; exit 7'], /E_HOST_FILE_APPLY 'sh -c echo no >&2; exit 7' \(action proxy\) ended with exit status 7: no/],
    ['3', ['sleep', '60'], /E_HOST_FILE_APPLY 'sleep 60' \(action proxy\) did not end in 1 s/],
  ] as const) {
    await bench.release(id, [vhost(`${id}\n`)], failing(apply));
    const run = await bench.run(`apply_host_files ${id}`);
    t.is(run.status, 1);
    t.regex(run.output, told);
  }
  const boot = await bench.run('restore_host_files 3; report_host_files');
  t.is(boot.status, 0, boot.output);
  t.regex(boot.output, /^warning E_HOST_FILE_APPLY: 'sleep 60'/m);
  t.regex(boot.output, /^host-action-due proxy$/m);
  const next = await bench.run('apply_host_files 1; report_host_files');
  t.is(next.status, 0, next.output);
  t.notRegex(next.output, /due/);
});

test('what somebody changed by hand is told, kept as a copy and replaced', async (t) => {
  const bench = await laid(t);
  const file = path.join(bench.etc, 'nginx/site.conf');
  await writeFile(file, 'by hand\n');
  t.deepEqual((await bench.run('report_host_files')).log, [`host-file ${file} changed`]);
  const boot = await bench.run('restore_host_files 1; report_host_files');
  const [, copy = ''] = /^warning host file \S+ was changed by hand; it is replaced, and what stood there is kept as (\S+)$/m.exec(boot.output) ?? [];
  const name = path.relative(bench.state, copy);
  t.is((await bench.records())[name], '644 by hand\n', boot.output);
  t.regex(boot.output, /^host-file \S+ unchanged$/m);
  t.is(await bench.loads(), 2);
  await rm(file);
  t.deepEqual((await bench.run('report_host_files')).log, [`host-file ${file} gone`]);
  t.regex((await bench.run('restore_host_files 1')).output, /^warning host file \S+ was removed by hand$/m);
  await chmod(file, 0o600);
  t.deepEqual((await bench.run('report_host_files')).log, [`host-file ${file} changed`]);
  await bench.release('2', [], []);
  await writeFile(file, 'by hand again\n');
  t.regex((await bench.run('apply_host_files 2')).output, /changed by hand/);
  t.deepEqual(await bench.tree(bench.etc), {});
  t.is(Object.values(await bench.records()).filter((content) => content.includes('by hand')).length, 2);
});

test("somebody else's file comes back as it was, and a folder that holds more than ours stays", async (t) => {
  const bench = await HostFilesBench.create();
  const theirs = path.join(bench.etc, 'default');
  await writeFile(theirs, 'theirs\n');
  await chmod(theirs, 0o640);
  await bench.release('1', [{ path: 'default', content: 'ours\n' }, { path: 'made/ours', content: '' }]);
  t.is((await bench.run('apply_host_files 1')).status, 0);
  await writeFile(path.join(bench.etc, 'made/theirs'), '');
  t.is((await bench.run('restore_host_files -')).status, 0);
  t.deepEqual(await bench.tree(bench.etc), { default: '640 theirs\n', 'made/': '755', 'made/theirs': '644 ' });
  t.deepEqual(await bench.records(), {});
});

test('what stands in the way is refused by name before anything is touched', async (t) => {
  const bench = await laid(t);
  await mkdir(path.join(bench.etc, 'folder'));
  await symlink('nginx', path.join(bench.etc, 'link'));
  await symlink('nginx/site.conf', path.join(bench.etc, 'site'));
  const before = await bench.tree(bench.etc);
  for (const [file, told] of [
    ['folder', /E_HOST_FILE_PATH host file \S+folder: a folder, .* stands there/],
    ['link/x', /E_HOST_FILE_PATH host file \S+link\/x: \S+\/link is a symbolic link to nginx; /],
    ['site', /E_HOST_FILE_PATH host file \S+site: \S+\/site is a symbolic link to nginx\/site\.conf; /],
    ['nginx/site.conf/x', /E_HOST_FILE_PATH host file \S+x: \S+\/site\.conf is no folder/],
  ] as const) {
    await bench.release('2', [{ path: file, content: '' }]);
    const run = await bench.run('check_host_plan 2 && check_host_files 2');
    t.is(run.status, 1, file);
    t.regex(run.output, told);
  }
  for (const file of ['/etc/passwd', '/etc/sudoers', '/etc/prose-ship/allowed_signers', '/usr/lib/prose-ship/updater', `${bench.state}/journal`, '/proc/x']) {
    t.regex((await bench.run(`check_host_path ${file}`)).output, /E_HOST_FILE_PATH a release may not write /, file);
  }
  await bench.release('3', [vhost('x')], [['action', 'proxy', 1], ['action-apply', 'proxy', 'no-such-program']]);
  t.regex((await bench.run('check_host_files 3')).output, /E_HOST_FILE_ACTION action proxy of release 3 needs no-such-program, which is not on this host/);
  await bench.release('5', [vhost('one\n')], [...bench.action(), ['action', 'other', 1], ['action-apply', 'other', 'no-such-program']]);
  t.is((await bench.run('check_host_files 5')).status, 0, 'an action that need not follow needs nothing');
  t.deepEqual(await bench.tree(bench.etc), before);
  await bench.release('4', [{ path: 'tool', content: '#!/bin/sh\n', mode: '0755' }], [['action', 'proxy', 1], ['action-apply', 'proxy', path.join(bench.etc, 'tool')]]);
  const brought = await bench.run('check_host_plan 4 && check_host_files 4 && apply_host_files 4');
  t.is(brought.status, 0, brought.output);
});

test('a plan that no release of ours can hold is refused', async (t) => {
  const bench = await HostFilesBench.create();
  const file = ['file', 'abc', 'x', '0644', 0, 0] as const;
  for (const lines of [
    [file, ['hostfile', 'abc', 'x', '/etc/../x', '-']],
    [file, ['hostfile', 'abc', 'x', 'etc/x', '-']],
    [file, ['hostfile', 'abc', 'x', '/etc/$(reboot)', '-']],
    [file, ['hostfile', 'abc', 'x', '/etc/x', 'nobody']],
    [file, ['hostfile', 'abd', 'x', '/etc/x', '-']],
    [file, ['hostfile', 'abc', 'x', '/etc/x', '-'], ['hostfile', 'abc', 'x', '/etc/x', '-']],
    [['action', 'one', 'soon']],
    [['action', 'one', 1], ['action-check', 'two', 'true']],
    [['action', 'one', 1], ['action-apply', 'one']],
    [['host-check', 'one']],
    [['host-check', 'one', 'echo', '', 'x']],
    [['action', 'one', 1], ['action-apply', 'one', 'echo', '', 'x']],
  ]) {
    await bench.release('1', [], lines);
    const run = await bench.run('check_host_plan 1');
    t.is(run.status, 1, JSON.stringify(lines));
    t.regex(run.output, /^error E_PLAN the plan of release 1 is not one that updater 0 reads: /m);
  }
  await bench.release('1', [{ path: 'x-y@1.conf', content: '' }]);
  t.is((await bench.run('check_host_plan 1')).status, 0);
});
