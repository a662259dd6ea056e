import test from 'ava';
import { parseAddresses } from '../../../src/host/engine/bridge-subnet.ts';
import { engineNotRunning } from '../../../src/host/engine/open-engine.ts';
import { daemonConfiguration, privateEnginePaths } from '../../../src/host/engine/private-engine.ts';

const deep = `/home/somebody/${'a-rather-long-folder-name/'.repeat(8)}cache`;

test("the kernel's limits on names hold however deep the cache folder is", (t) => {
  const paths = privateEnginePaths(deep);
  t.true(Buffer.byteLength(paths.socketFile) < 108);
  t.true(paths.bridgeName.length <= 15);
  // containerd, which dockerd starts, has its sockets below.
  t.true(Buffer.byteLength(`${paths.runDirectory}/exec/containerd/containerd.sock.ttrpc`) < 108);
});

test('two cache folders have two engines', (t) => {
  const [one, other] = [privateEnginePaths('/a'), privateEnginePaths('/b')];
  t.not(one.runDirectory, other.runDirectory);
  t.not(one.bridgeName, other.bridgeName);
});

test("nothing of an engine is the machine's own", (t) => {
  const paths = privateEnginePaths('/cache');
  t.like(daemonConfiguration(paths), {
    hosts: [`unix://${paths.socketFile}`],
    'data-root': '/cache/engine/data',
    'exec-root': `${paths.runDirectory}/exec`,
    pidfile: `${paths.runDirectory}/docker.pid`,
    bridge: paths.bridgeName,
    features: { 'containerd-snapshotter': true },
    builder: { gc: { enabled: true, defaultKeepStorage: '15GB' } },
  });
});

test('addresses in use are read from ip', (t) => {
  // Captured from iproute2 6.1.
  const output = `lo               UNKNOWN        127.0.0.1/8 
eth0             UP             192.0.2.2/24 
psbr0            DOWN           198.18.0.1/24 
ppp0             UNKNOWN        10.0.0.5 peer 10.0.0.1/32 
`;
  t.deepEqual(parseAddresses(output), ['127.0.0.1', '192.0.2.2', '198.18.0.1', '10.0.0.1']);
});

test('the remedy for a missing engine fits the machine', (t) => {
  const remedy = (platform: NodeJS.Platform, isRoot: boolean, hasDockerd: boolean): string | undefined => {
    const error = engineNotRunning({ platform, isRoot, hasDockerd });
    t.is(error.code, 'E_ENGINE_NOT_RUNNING');
    t.is(error.exitStatus, 3);
    return error.remedy;
  };
  t.regex(remedy('darwin', false, false)!, /Docker Desktop/);
  t.regex(remedy('linux', true, false)!, /doctor --fix/);
  t.regex(remedy('linux', false, true)!, /systemctl start docker.* or run this as root/);
  t.regex(remedy('linux', true, true)!, /systemctl start docker/);
});
