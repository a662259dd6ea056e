import { z } from 'zod';
import { when as condition } from './recipe/condition.ts';
import { port as portNumber, text } from './words.ts';

const jsonPath = /^[^.\s]+(\.[^.\s]+)*$/;

const port = z
  .union([portNumber, z.string().regex(/\{\{.*\}\}/)])
  .describe('Port number, or a template that renders to one: `{{ client_port }}`.');
const host = z.string().min(1).default('127.0.0.1').describe('Address, as the device itself sees it.');
const when = condition.optional();
const json = z
  .strictObject({
    path: text(
      (value) =>
        jsonPath.test(value)
          ? undefined
          : { code: 'E_BAD_VALUE', message: 'is not a path into JSON', remedy: 'Keys and positions with dots between them, as in status.ok or checks.0.state.' },
      jsonPath,
    ).describe('Keys, and positions in lists from 0, with dots between them: `status.ok`, `checks.0.state`.'),
    equals: z
      .union([z.string().regex(/^[^\t\r\n]*$/), z.number(), z.boolean()])
      .describe('What must stand there, compared as text: `true`, `12`, `ready`.'),
  })
  .describe('One field of the answer, which must be JSON of at most 64 KiB.');

/** The probes of the gate; texts may be templates. */
export const probe = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('tcp').describe('A TCP connection opens.'), when, host, port }).describe('A TCP connection opens.'),
    z
      .strictObject({
        type: z.literal('http').describe('A GET request gets the expected status.'),
        when,
        url: z.string().min(1).describe('URL to get, as the device itself sees it.'),
        status: z.int().min(100).max(599).default(200).describe('Status that it must answer.'),
        json: json.optional(),
      })
      .describe('A GET request gets the expected status.'),
    z
      .strictObject({
        type: z.literal('xmpp').describe('Stream, STARTTLS and TLS succeed and SASL mechanisms are offered (RFC 6120).'),
        when,
        host,
        port,
        domain: z.string().min(1).default('{{ site.domain }}').describe('Domain that the stream is opened to.'),
      })
      .describe('Stream, STARTTLS and TLS succeed and SASL mechanisms are offered (RFC 6120).'),
    z
      .strictObject({
        type: z.literal('tls').describe('A TLS handshake succeeds with a certificate that fits.'),
        when,
        host,
        port,
        starttls: z.enum(['none', 'xmpp', 'smtp']).default('none').describe('What is spoken before TLS begins; `none` is TLS from the first byte.'),
        name: z.string().min(1).default('{{ site.domain }}').describe('Name (or IP address) that the certificate must cover; also the server name asked for.'),
        minimumDays: z.int().min(0).max(3650).default(7).describe('How many days the certificate must stay valid at least.'),
        trusted: z.boolean().default(false).describe('Whether the device must trust who signed it; a self-signed certificate fails then.'),
      })
      .describe('A TLS handshake succeeds with a certificate that covers a name and stays valid for some days.'),
    z
      .strictObject({
        type: z.literal('command').describe('A command in the container ends with exit status 0.'),
        when,
        command: z.array(z.string()).min(1).describe('Program and arguments.'),
      })
      .describe('A command in the container ends with exit status 0.'),
  ])
  .describe('One thing that must answer.');
export type ProbeInput = z.output<typeof probe>;
