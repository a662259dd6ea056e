import type { Requirement } from '../requirement.ts';
import { program } from './checks.ts';

/** For the throw-away device of the demo. */
export const demoRequirements: readonly Requirement[] = [
  {
    id: 'openssl',
    what: 'openssl',
    why: 'the throw-away device of the demo probes TLS with it, as a real one does',
    purpose: 'demo',
    check: program('openssl'),
    parts: ['openssl'],
  },
  {
    id: 'curl',
    what: 'curl',
    why: 'the throw-away device of the demo probes HTTP with it, as a real one does',
    purpose: 'demo',
    check: program('curl'),
    parts: ['curl'],
  },
  {
    id: 'dockerd',
    what: 'dockerd',
    why: 'the throw-away device of the demo has an engine of its own',
    purpose: 'demo',
    check: program('dockerd'),
    parts: ['engine'],
    linuxOnly: true,
  },
  {
    id: 'sshd',
    what: 'sshd (OpenSSH server)',
    why: 'the throw-away device of the demo is reached over SSH',
    purpose: 'demo',
    check: program('sshd'),
    parts: ['ssh-server'],
    linuxOnly: true,
  },
  {
    id: 'xmpp-client',
    what: 'go-sendxmpp',
    why: 'a chat client that is not ours logs in to the deployed server',
    purpose: 'demo',
    check: program('go-sendxmpp'),
    parts: ['xmpp-client'],
    linuxOnly: true,
  },
];
