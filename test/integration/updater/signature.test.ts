import { appendFile, cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { devicePaths } from '../../../src/device/files.ts';
import { Device, type Run } from '../../device/device.ts';
import type { SampleRelease } from '../../device/sample-release.ts';
import { signerLine, signingKey, signWithOpenSsh, writeSigners } from '../../support/ssh/signing-key.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** What a device takes, once it knows who may sign. Needs root, Linux, dockerd; fails without. */
let device: Device;
let key: string;
let stranger: string;
let keys: string;

test.before('a device', async () => {
  keys = await temporaryDirectory('keys');
  [key, stranger] = [await signingKey(keys, 'ci'), await signingKey(keys, 'stranger')];
  device = await Device.create();
});

test.after.always('gone', async () => {
  await device.destroy();
});

function release(version: string): SampleRelease {
  return { version, services: [{ name: 'web', content: version, port: 8080, probes: [['http', 'http://127.0.0.1:8080/version', '200']] }] };
}

function incoming(id: string): string {
  return path.join(device.host.root, devicePaths.incomingDirectory, id);
}

async function trust(...lines: readonly string[]): Promise<void> {
  const file = path.join(device.host.root, devicePaths.allowedSignersFile);
  await mkdir(path.dirname(file), { recursive: true });
  await writeSigners(file, ...lines);
}

async function upload(version: string, signer?: string, namespace?: string): Promise<string> {
  const id = await device.upload(release(version));
  if (signer !== undefined) await signWithOpenSsh(signer, incoming(id), namespace);
  return id;
}

function textOf(run: Run): string {
  return run.lines.flatMap((line) => (line.kind === 'error' ? [line.text] : [])).join('\n');
}

let unsigned = '';

test.serial('a device without a list takes every release, signed or not', async (t) => {
  const signed = await device.run(`rollout ${await upload('1.0.0', stranger)}`);
  t.is(signed.status, 0, signed.output);
  unsigned = await upload('1.0.1');
  const second = await device.run(`rollout ${unsigned}`);
  t.is(second.status, 0, second.output);
  t.is((await device.inventory()).requiresSignature, undefined);
});

test.serial('with a list it takes those of its signers, and touches nothing for the sake of another', async (t) => {
  await trust(await signerLine(key, 'ci@example.org', 'namespaces="prose-ship-release"'));
  t.true((await device.inventory()).requiresSignature);
  const container = await device.container('web');
  const refused = async (id: string, reason: RegExp) => {
    for (const verb of ['receive', 'rollout']) {
      const run = await device.run(`${verb} ${id}`);
      t.is(run.status, 3, run.output);
      t.deepEqual(run.codes, ['E_SIGNATURE'], run.output);
      t.regex(textOf(run), reason);
    }
    t.is(await device.container('web'), container);
    t.true((await readdir(incoming(id))).includes('images'), 'the upload is back in the drop zone: only a signature has to be sent');
    t.false((await readdir(path.join(device.host.root, devicePaths.releasesDirectory))).some((name) => name.includes(id)));
    t.regex(await device.read(`${devicePaths.stateDirectory}/audit.log`), /\trefused E_SIGNATURE\t.* code=E_SIGNATURE .*\n$/);
  };
  await refused(await upload('2.0.0'), /release 2\.0\.0-\w+ is not signed, but this device takes signed releases only \(\/etc\/prose-ship\/allowed_signers\)/);
  await refused(await upload('2.0.1', stranger), /not signed by anybody whom .* allows: .*No principal matched/);
  await refused(await upload('2.0.2', key, 'file'), /namespace/);
  const changed = await upload('2.0.3', key);
  await appendFile(path.join(incoming(changed), 'SHA256SUMS'), '\n');
  await refused(changed, /incorrect signature/);
  const damaged = await upload('2.0.4', key);
  await writeFile(path.join(incoming(damaged), 'SHA256SUMS.sig'), 'none\n');
  await refused(damaged, /not signed by anybody/);

  const taken = await device.run(`rollout ${await upload('2.1.0', key)}`);
  t.is(taken.status, 0, taken.output);
  t.regex(taken.output, /is signed by ci@example\.org with ED25519 key SHA256:/);
  t.is(await device.answer(), '2.1.0');
});

test.serial('an upload under the id of what runs cannot replace it', async (t) => {
  const { currentId } = await device.inventory();
  await cp(path.join(device.host.root, devicePaths.releasesDirectory, currentId!), incoming(currentId!), { recursive: true });
  await rm(path.join(incoming(currentId!), 'SHA256SUMS.sig'));
  await writeFile(path.join(incoming(currentId!), 'compose.yaml'), 'services: {}\n');
  const run = await device.run(`rollout ${currentId!}`);
  t.deepEqual([run.status, run.codes], [3, ['E_SIGNATURE']], run.output);
  t.not(await device.read(`${devicePaths.releasesDirectory}/${currentId!}/compose.yaml`), 'services: {}\n');
  await rm(incoming(currentId!), { recursive: true });
});

test.serial('the list of what was sent, which nobody signs, vouches for archives alone', async (t) => {
  const id = await upload('2.2.0', key);
  const smuggled = path.join(incoming(id), 'plans/linux-arm64.plan');
  await cp(path.join(incoming(id), 'plans/linux-amd64.plan'), smuggled);
  const { stdout } = await device.host.exec(`cd ${devicePaths.incomingDirectory}/${id} && sha256sum plans/linux-arm64.plan | tee -a UPLOAD.sha256`);
  t.regex(stdout, /linux-arm64/);
  const run = await device.run(`rollout ${id}`);
  t.deepEqual([run.status, run.codes], [3, ['E_CHECKSUM']], run.output);
  t.regex(textOf(run), /UPLOAD\.sha256/);
});

test.serial('the way back to a release from before the list stays open', async (t) => {
  const back = await device.run('rollback');
  t.is(back.status, 0, back.output);
  t.is((await device.inventory()).currentId, unsigned);
  t.is((await device.run('rollback')).status, 0);
});

test.serial('dates count where a time server set the clock, and there alone', async (t) => {
  const line = (options: string) => signerLine(key, 'ci@example.org', options);
  const withClock = async (isSet: boolean, id: string) => {
    await device.host.exec(isSet ? 'mkdir -p /run/systemd/timesync && touch /run/systemd/timesync/synchronized' : 'rm -rf /run/systemd/timesync');
    return device.run(`receive ${id}`);
  };
  const noClock = /no time server has set this device's clock/;
  for (const [version, options, said] of [['3.0.0', 'valid-before="20200101"', /expired/], ['3.0.1', 'valid-after="20991231"', /not yet valid/]] as const) {
    await trust(await line(options));
    const id = await upload(version, key);
    const refused = await withClock(true, id);
    t.deepEqual([refused.status, refused.codes], [3, ['E_SIGNATURE']], refused.output);
    t.regex(textOf(refused), said);
    const taken = await withClock(false, id);
    t.is(taken.status, 0, taken.output);
    t.regex(taken.output, noClock);
  }
  await trust(await line('valid-after="20200101",valid-before="20991231"'));
  const good = await withClock(false, await upload('3.0.2', key));
  t.is(good.status, 0, good.output);
  t.notRegex(good.output, noClock);
  const other = await withClock(false, await upload('3.0.3', stranger));
  t.is(other.status, 3, 'a clock that is wrong is no excuse for a stranger');
});

test.serial('a list that names nobody, or cannot be read, lets nobody sign', async (t) => {
  const id = await upload('4.0.0', key);
  await trust();
  t.is((await device.run(`receive ${id}`)).codes.join(), 'E_SIGNATURE');
  await device.host.exec(`ln -sfn /nowhere ${devicePaths.allowedSignersFile}`);
  t.is((await device.run(`receive ${id}`)).codes.join(), 'E_SIGNATURE');
  await device.host.exec(`rm ${devicePaths.allowedSignersFile}`);
  t.is((await device.run(`receive ${id}`)).status, 0);
});

test.serial('a card boots its signed release whatever the clock says, and no other', async (t) => {
  const card = await Device.create();
  try {
    const file = path.join(card.host.root, devicePaths.allowedSignersFile);
    await mkdir(path.dirname(file), { recursive: true });
    await writeSigners(file, await signerLine(key, 'ci@example.org', 'valid-before="20200101"'));
    await card.host.exec('mkdir -p /run/systemd/timesync && touch /run/systemd/timesync/synchronized');
    const bad = await card.bake(release('1.0.0'));
    const refused = await card.run('boot');
    t.deepEqual(refused.codes, ['E_SIGNATURE'], refused.output);
    t.is((await card.host.exec('docker ps -aq')).stdout, '');
    await signWithOpenSsh(key, path.join(card.host.root, devicePaths.releasesDirectory, bad));
    await card.bake(release('1.0.0'));
    const good = await card.run('boot');
    t.is(good.status, 0, good.output);
    t.is(await card.answer(), '1.0.0');
  } finally {
    await card.destroy();
  }
});
