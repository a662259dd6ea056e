import test from 'ava';
import { parseBinfmtEntry } from '../../../src/host/engine/binfmt.ts';
import { emulationMissing, machinePlatform, parseBuilderPlatforms, platformsOfEntry } from '../../../src/host/engine/emulation.ts';
import { formatPlatform, parsePlatform } from '../../../src/oci/platform.ts';

// Captured from /proc/sys/fs/binfmt_misc.
const arm = `enabled
interpreter /usr/libexec/qemu-binfmt/arm-binfmt-P
flags: POF
offset 0
magic 7f454c4601010100000000000000000002002800
mask ffffffffffffff00fffffffffffffffffeffffff
`;
const aarch64 = `enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: POF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
`;
const python = `enabled
interpreter /usr/bin/python3.11
flags: 
offset 0
magic a70d0d0a
`;
const byExtension = `enabled
interpreter /usr/bin/wine
flags: 
extension .exe
`;

const platforms = (name: string, text: string): string[] => platformsOfEntry(parseBinfmtEntry(name, text)).map(formatPlatform);

test('the ELF header in the magic says for which platforms an entry is, whatever its name', (t) => {
  t.deepEqual(platforms('qemu-arm', arm), ['linux/arm/v5', 'linux/arm/v6', 'linux/arm/v7']);
  t.deepEqual(platforms('some-name', aarch64), ['linux/arm64']);
});

test('an entry without flag F, or one that is switched off, runs nothing in containers', (t) => {
  t.deepEqual(platforms('qemu-arm', arm.replace('POF', 'OC')), []);
  t.deepEqual(platforms('qemu-arm', arm.replace('enabled', 'disabled')), []);
});

test('entries for other things than ELF programs run none', (t) => {
  t.is(parseBinfmtEntry('python3.11', python).elfMachine, undefined);
  t.is(parseBinfmtEntry('wine', byExtension).elfMachine, undefined);
  t.deepEqual(platforms('python3.11', python.replace('flags: ', 'flags: F')), []);
});

test('a builder lists its platforms for each node; those named by a user bear an asterisk', (t) => {
  // Captured from buildx 0.13.1; the second node as its manual shows one.
  const output = `Name:          default
Driver:        docker

Nodes:
Name:             default
Endpoint:         default
Platforms:        linux/amd64, linux/amd64/v2, linux/arm64
Labels:
 org.mobyproject.buildkit.worker.executor:             containerd

Name:             pi
Platforms:        linux/arm/v7*
`;
  t.deepEqual(parseBuilderPlatforms(output).map(formatPlatform), ['linux/amd64', 'linux/amd64/v2', 'linux/arm64', 'linux/arm/v7']);
});

test('a platform that nothing runs is named, with the remedy', (t) => {
  const error = emulationMissing([parsePlatform('linux/arm/v7')!, parsePlatform('linux/arm64')!]);
  t.is(error.code, 'E_EMULATION_MISSING');
  t.is(error.exitStatus, 3);
  t.regex(error.message, /linux\/arm\/v7 and linux\/arm64/);
  t.regex(error.remedy!, /prose-ship doctor --fix/);
});

test('the platform of a machine is the best that it runs without help', (t) => {
  const platformOf = (architecture: string) => {
    const platform = machinePlatform(architecture);
    return platform && formatPlatform(platform);
  };
  t.deepEqual(['x64', 'arm64', 'arm', 'riscv64'].map(platformOf), ['linux/amd64', 'linux/arm64', 'linux/arm/v7', undefined]);
});
