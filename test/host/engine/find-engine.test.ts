import test from 'ava';
import { createContext } from '../../../src/context.ts';
import { findEngine, infoCommand, parseEngineInfo } from '../../../src/host/engine/find-engine.ts';

// Captured from engine 26.1.5 and client 28.2.2, shortened to the fields around those that are read.
const containerd = `{"ID":"90efd82c-2b4a-448b-bac7-8e7854fe24c2","Containers":0,"Images":2,"Driver":"overlayfs","DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]],"CgroupVersion":"1","OSType":"linux","Architecture":"x86_64","ServerVersion":"26.1.5+dfsg1","ClientInfo":{"Version":"28.2.2"}}`;
const overlay2 = `{"ID":"4a9e3cbe-6a53-4e5c-b5f6-2d5a5b4f3f4e","Containers":0,"Images":0,"Driver":"overlay2","DriverStatus":[["Backing Filesystem","extfs"],["Supports d_type","true"],["Using metacopy","false"],["Native Overlay Diff","true"],["userxattr","false"]],"Architecture":"aarch64","ServerVersion":"26.1.5+dfsg1"}`;
const noServer = `{"ID":"","Containers":0,"Driver":"","DriverStatus":null,"Architecture":"","ServerVersion":"","Runtimes":null,"Warnings":null,"ClientInfo":{"Debug":false,"Version":"28.2.2","Context":"default"}}`;

test('the image store is read from the driver status', (t) => {
  t.deepEqual(parseEngineInfo(containerd), { version: '26.1.5+dfsg1', architecture: 'x86_64', imageStore: 'containerd' });
  t.deepEqual(parseEngineInfo(overlay2), { version: '26.1.5+dfsg1', architecture: 'aarch64', imageStore: 'graphdriver' });
});

test("the client's half alone is no engine", (t) => {
  t.is(parseEngineInfo(noServer), undefined);
  t.is(parseEngineInfo('Cannot connect to the Docker daemon'), undefined);
});

test('the command names the engine only where one is given', (t) => {
  t.deepEqual(infoCommand(), { program: 'docker', args: ['info', '--format', '{{json .}}'] });
  t.deepEqual(infoCommand('unix:///run/x.sock').args, ['--host', 'unix:///run/x.sock', 'info', '--format', '{{json .}}']);
});

test('an engine that is not there is not found', async (t) => {
  const environment = { ...process.env, DOCKER_HOST: 'unix:///nonexistent/docker.sock' };
  t.is(await findEngine(createContext({ environment })), undefined);
});

test('a machine without a client has no engine', async (t) => {
  t.is(await findEngine(createContext({ environment: { PATH: '/nonexistent' } })), undefined);
});
