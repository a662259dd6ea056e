import test from 'ava';
import { parseSshIdentification } from '../../../src/host/network/ssh-identification.ts';

test('the line that names the server, whatever stands before it', (t) => {
  t.is(parseSshIdentification('SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n'), 'OpenSSH_9.2p1 Debian-2+deb12u3');
  t.is(parseSshIdentification('Welcome\r\nto a Pi\r\nSSH-2.0-OpenSSH_8.4p1 Raspbian-5\r\n\0\0rest'), 'OpenSSH_8.4p1 Raspbian-5');
  t.is(parseSshIdentification('SSH-1.99-dropbear\n'), 'dropbear');
});

test('nothing until the line is whole, and nothing of other protocols', (t) => {
  for (const said of ['', 'SSH-2.0-OpenSSH_9.2p1', 'SSH-1.5-old\r\n', 'HTTP/1.1 400 Bad Request\r\n\r\n', `SSH-2.0-${'x'.repeat(300)}\r\n`, 'xSSH-2.0-a\r\n', 'SSH-2.0- \r\n']) {
    t.is(parseSshIdentification(said), undefined, said);
  }
});

test('a terminal does not see what a server puts between the letters', (t) => {
  t.is(parseSshIdentification('SSH-2.0-Open\u001b[2JSSH\u00ff\r\n'), 'Open?[2JSSH?');
});
