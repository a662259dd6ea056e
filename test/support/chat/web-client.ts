/**
 * A web client: finds BOSH and the WebSocket by host-meta (XEP-0156), and has a session each way (XEP-0206, RFC 7395): SASL PLAIN,
 * a bound resource, a ping that the server answers, a goodbye. A program of its own, whose hosts and authorities are the caller's:
 *   node web-client.ts <REQUEST     {"domain", "jid", "password"}; prints {"bosh": SESSION, "websocket": SESSION}
 */
import { randomInt } from 'node:crypto';
import { json } from 'node:stream/consumers';

interface Request {
  readonly domain: string;
  readonly jid: string;
  readonly password: string;
}

export interface WebSession {
  readonly url: string;
  /** With its resource. */
  readonly jid: string;
  readonly pong: boolean;
}

/** One way to exchange stanzas. */
interface Connection {
  /** Opens the stream, or opens it anew after a login. */
  open(): Promise<void>;
  send(stanza: string): Promise<void>;
  /** What came up to and with the pattern. */
  until(pattern: RegExp): Promise<string>;
  close(): Promise<void>;
}

const patienceMs = 20_000;

async function session(url: string, connection: Connection, { domain, jid, password }: Request): Promise<WebSession> {
  await connection.open();
  await connection.until(/<mechanism>PLAIN<\/mechanism>/);
  const secret = Buffer.from(`\0${jid.split('@')[0] ?? ''}\0${password}`).toString('base64');
  await connection.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${secret}</auth>`);
  await connection.until(/<success\b/);
  await connection.open();
  await connection.until(/urn:ietf:params:xml:ns:xmpp-bind/);
  await connection.send("<iq xmlns='jabber:client' type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
  const [, bound = ''] = /<jid>(.*?)<\/jid>/.exec(await connection.until(/<jid>.*?<\/jid>/)) ?? [];
  await connection.send(`<iq xmlns='jabber:client' type='get' id='p1' to='${domain}'><ping xmlns='urn:xmpp:ping'/></iq>`);
  const answer = await connection.until(/<iq\b[^>]*\bid=['"]p1['"][^>]*>/);
  await connection.close();
  return { url, jid: bound, pong: /type=['"]result['"]/.test(answer) };
}

function bosh(url: string, domain: string): Connection {
  let rid = randomInt(2 ** 31);
  let sid = '';
  let received = '';
  const post = async (attributes: string, content = ''): Promise<void> => {
    rid += 1;
    const body = `<body xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh' rid='${rid}' ${sid} ${attributes}>${content}</body>`;
    const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'text/xml; charset=utf-8' }, signal: AbortSignal.timeout(patienceMs) });
    const text = await response.text();
    if (!response.ok || /type=['"]terminate['"]/.test(text)) throw new Error(`${url}: ${response.status} ${text}`);
    const found = /\bsid=['"]([^'"]+)['"]/.exec(text);
    if (found && sid === '') sid = `sid='${found[1] ?? ''}'`;
    received += text;
  };
  return {
    open: () => post(sid === '' ? `to='${domain}' ver='1.6' wait='5' hold='1' content='text/xml; charset=utf-8' xmpp:version='1.0'` : `to='${domain}' xmpp:restart='true'`),
    send: (stanza) => post('', stanza),
    async until(pattern) {
      for (let asked = 0; !pattern.test(received); asked += 1) {
        if (asked === 4) throw new Error(`${url}: no ${String(pattern)} in ${received}`);
        await post('');
      }
      const taken = received;
      received = '';
      return taken;
    },
    close: () => post("type='terminate'").catch(() => {}), // the answer says `terminate`, too
  };
}

function webSocket(url: string, domain: string): Connection {
  const socket = new WebSocket(url, 'xmpp');
  let received = '';
  let wake: () => void = () => {};
  let failure: Error | undefined;
  const opened = Promise.withResolvers<undefined>();
  opened.promise.catch(() => {});
  socket.addEventListener('open', () => opened.resolve(undefined));
  socket.addEventListener('message', ({ data }) => {
    received += String(data);
    wake();
  });
  socket.addEventListener('close', ({ code, reason }) => {
    failure ??= new Error(`${url}: closed with ${code} ${reason}`);
    opened.reject(failure);
    wake();
  });
  const send = async (text: string): Promise<void> => {
    await opened.promise;
    socket.send(text);
  };
  return {
    open: () => send(`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='${domain}' version='1.0'/>`),
    send,
    async until(pattern) {
      const timer = setTimeout(() => {
        failure ??= new Error(`${url}: no ${String(pattern)} in ${received}`);
        wake();
      }, patienceMs);
      while (!pattern.test(received)) {
        if (failure) throw failure;
        await new Promise<void>((resolve) => (wake = resolve));
      }
      clearTimeout(timer);
      const taken = received;
      received = '';
      return taken;
    },
    async close() {
      await send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>");
      socket.close();
    },
  };
}

const request = (await json(process.stdin)) as Request;
const found = await fetch(`https://${request.domain}/.well-known/host-meta.json`);
if (found.headers.get('access-control-allow-origin') !== '*') throw new Error('pages of other sites may not read host-meta');
const { links } = (await found.json()) as { links: { rel: string; href: string }[] };
const urlOf = (kind: string): string => {
  const link = links.find(({ rel }) => rel === `urn:xmpp:alt-connections:${kind}`);
  if (!link) throw new Error(`host-meta names no ${kind}`);
  return link.href;
};
const [boshUrl, socketUrl] = [urlOf('xbosh'), urlOf('websocket')];
const sessions = {
  bosh: await session(boshUrl, bosh(boshUrl, request.domain), request),
  websocket: await session(socketUrl, webSocket(socketUrl, request.domain), request),
};
process.stdout.write(`${JSON.stringify(sessions)}\n`);
