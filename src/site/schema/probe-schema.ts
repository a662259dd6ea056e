import { z } from 'zod';
import { port as portNumber } from './words.ts';

const port = z
  .union([portNumber, z.string().regex(/\{\{.*\}\}/)])
  .describe('Port number, or a template that renders to one: `{{ client_port }}`.');
const host = z.string().min(1).default('127.0.0.1').describe('Address, as the device itself sees it.');

/** The probes of the gate; texts may be templates. */
export const probe = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('tcp').describe('A TCP connection opens.'), host, port }).describe('A TCP connection opens.'),
    z
      .strictObject({
        type: z.literal('http').describe('A GET request gets the expected status.'),
        url: z.string().min(1).describe('URL to get, as the device itself sees it.'),
        status: z.int().min(100).max(599).default(200).describe('Status that it must answer.'),
      })
      .describe('A GET request gets the expected status.'),
    z
      .strictObject({
        type: z.literal('xmpp').describe('Stream, STARTTLS and TLS succeed and SASL mechanisms are offered (RFC 6120).'),
        host,
        port,
        domain: z.string().min(1).default('{{ site.domain }}').describe('Domain that the stream is opened to.'),
      })
      .describe('Stream, STARTTLS and TLS succeed and SASL mechanisms are offered (RFC 6120).'),
    z
      .strictObject({
        type: z.literal('command').describe('A command in the container ends with exit status 0.'),
        command: z.array(z.string()).min(1).describe('Program and arguments.'),
      })
      .describe('A command in the container ends with exit status 0.'),
  ])
  .describe('One thing that must answer.');
export type ProbeInput = z.output<typeof probe>;
