import net from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { ShipError } from '../../../src/errors.ts';
import { connect, type TunnelHandler } from '../../../src/host/ssh/connection.ts';
import { Sshd } from '../../support/ssh/sshd.ts';

/** HTTP of this side on a port of the host's loopback address; the real sshd. The host is this machine. */
const says = (text: string): TunnelHandler => ({ method, path }) => ({ status: 200, headers: { 'Content-Type': 'text/plain' }, body: Buffer.from(`${text} ${method} ${path}`) });

async function refuses(port: number): Promise<boolean> {
  for (let attempts = 0; attempts < 100; attempts++) {
    const error = await fetch(`http://127.0.0.1:${port}/`).then(() => undefined, (caught: unknown) => caught);
    if (error) return true;
    await delay(20);
  }
  return false;
}

test('two servers on one login, each on a port of its own, until they are closed', async (t) => {
  await using sshd = await Sshd.start();
  const client = await sshd.client();
  const connection = await connect(client.context, client.host);
  const one = await connection.serve(says('one'));
  const two = await connection.serve(says('two'));
  t.not(one.port, two.port);
  t.is(await (await fetch(`http://127.0.0.1:${one.port}/a`)).text(), 'one GET /a');
  t.is(await (await fetch(`http://127.0.0.1:${two.port}/b`, { method: 'DELETE' })).text(), 'two DELETE /b');
  t.is(await (await fetch(`http://127.0.0.1:${two.port}/b`, { method: 'HEAD' })).text(), '');
  await one.close();
  await one.close();
  t.true(await refuses(one.port));
  t.is(await (await fetch(`http://127.0.0.1:${two.port}/`)).text(), 'two GET /');
  await connection.close();
  t.true(await refuses(two.port), 'it ends with the login');
});

test('large answers come whole, at the pace of the reader', async (t) => {
  await using sshd = await Sshd.start();
  const client = await sshd.client();
  const connection = await connect(client.context, client.host);
  const chunk = Buffer.alloc(64 * 1024, 7);
  let given = 0;
  const server = await connection.serve(() => ({
    status: 200,
    headers: {},
    body: (async function* () {
      for (; given < 512; given++) {
        await Promise.resolve();
        yield chunk;
      }
    })(),
  }));
  const response = await fetch(`http://127.0.0.1:${server.port}/`);
  await delay(300);
  t.true(given < 256, `${given} of 512 chunks without anybody reading`);
  t.is((await response.arrayBuffer()).byteLength, 512 * chunk.length);
  await connection.close();
});

test('who takes every connection, or speaks TLS, harms nobody else', async (t) => {
  await using sshd = await Sshd.start();
  const client = await sshd.client();
  const connection = await connect(client.context, client.host);
  const server = await connection.serve(says('here'));
  const tls = net.connect(server.port, '127.0.0.1').on('error', () => {});
  tls.write(Buffer.from('16030100050100000100', 'hex'));
  const [said] = (await once(tls, 'data')) as [Buffer];
  t.regex(said.toString(), /^HTTP\/1\.1 400 /);
  tls.destroy();
  const greedy = Array.from({ length: 40 }, () => net.connect(server.port, '127.0.0.1').on('error', () => {}));
  const turnedAway = () => greedy.filter((socket) => socket.closed).length;
  for (let waitedMs = 0; waitedMs < 10_000 && turnedAway() < 20; waitedMs += 20) await delay(20);
  t.true(turnedAway() >= 20, 'most are turned away');
  t.is((await connection.run(['echo', 'still here'])).stdout, 'still here');
  for (const socket of greedy) socket.destroy();
  // Until their ends have arrived on both sides, who comes next is turned away, too.
  const answer = async () => fetch(`http://127.0.0.1:${server.port}/`).then((response) => response.text(), () => '');
  let text = '';
  for (let waitedMs = 0; waitedMs < 10_000 && text === ''; waitedMs += 100) {
    await delay(100);
    text = await answer();
  }
  t.is(text, 'here GET /');
  await connection.close();
});

test('an SSH server that forwards no ports: said before anything, with the way out', async (t) => {
  await using sshd = await Sshd.start({ config: ['AllowTcpForwarding local'] });
  const client = await sshd.client();
  const connection = await connect(client.context, client.host);
  const error = await t.throwsAsync(connection.serve(says('never')), { instanceOf: ShipError });
  t.like(error, { code: 'E_TUNNEL_REFUSED', exitStatus: 3 });
  t.true(error.message.includes('device'));
  t.regex(error.remedy ?? '', /--transport sftp.*AllowTcpForwarding/);
  await connection.close();
});
