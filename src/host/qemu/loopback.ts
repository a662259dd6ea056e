import net from 'node:net';
import { once } from 'node:events';

const address = '127.0.0.1';

/** A port of the loopback address that nobody listens at now. */
export async function findFreePort(): Promise<number> {
  const server = net.createServer();
  server.listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/**
 * The line with which an SSH server greets (RFC 4253, section 4.2); undefined when none comes. QEMU accepts connections
 * for a guest whose server is not up yet, so that a connection alone says nothing.
 */
export async function readSshBanner(port: number, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let received = '';
    const socket = net.connect({ host: address, port, timeout: timeoutMs });
    const finish = (): void => {
      socket.destroy();
      resolve(/^SSH-2\.0-.*/m.exec(received)?.[0].trim());
    };
    socket.setEncoding('latin1').on('data', (text) => {
      received += String(text);
      if (received.includes('\n')) finish();
    });
    for (const event of ['error', 'close', 'timeout']) socket.once(event, finish);
  });
}
