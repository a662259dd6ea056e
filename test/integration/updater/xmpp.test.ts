import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { createThrowawayHost, type ThrowawayHost } from '../../support/hosts/throwaway-host.ts';

const execute = promisify(execFile);
const parts = path.resolve(import.meta.dirname, '../../../src/device/updater.d');

let host: ThrowawayHost;

/** Debian's Prosody with what it needs, installed on the throw-away host only. */
test.before('Prosody', async () => {
  host = await createThrowawayHost({ engine: false });
  const packages = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-packages-'));
  await execute('sh', ['-c', `apt-get download $(apt-get -s install --no-install-recommends prosody | awk '/^Inst/ { print $2 }')`], { cwd: packages });
  await cp(packages, path.join(host.root, 'packages'), { recursive: true });
  await rm(packages, { recursive: true });
  await cp(parts, path.join(host.root, 'parts'), { recursive: true });
  await host.exec(`dpkg -i /packages/*.deb
    cd /etc/prosody/certs
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=chat.test -keyout chat.test.key -out chat.test.crt
    chown prosody chat.test.key; mkdir -p /run/prosody; chown prosody /run/prosody`);
});

test.after.always('gone', async () => {
  await host.destroy();
});

async function startProsody(configuration: string): Promise<void> {
  await host.exec(
    `cat >/etc/prosody/prosody.cfg.lua
     pid=$(cat /prosody.pid 2>/dev/null) && kill "$pid" && timeout 10 sh -c "while kill -0 $pid; do sleep 0.1; done" 2>/dev/null
     touch /prosody.pid; chown prosody /prosody.pid
     setsid su -s /bin/sh prosody -c 'echo $$ >/prosody.pid; exec prosody -F' >/dev/null 2>&1 </dev/null &
     timeout 20 sh -c "until ss -ltn | grep -q ':5222 '; do sleep 0.1; done"`,
    { input: configuration },
  );
}

async function probe(call: string): Promise<{ passed: boolean; answer: string }> {
  const result = await host.exec(`STATE_DIR=/x TAB=$(printf '\\t') scratch=$(mktemp -d)
    . /parts/run/log.sh; . /parts/probes/probe.sh
    probe_seconds=4 # of fifteen: what does not answer costs them each time
    ${call}; status=$?; printf '%s' "$probe_answer"; exit $status`);
  return { passed: result.exitCode === 0, answer: result.stdout };
}

test.serial('mechanisms inside TLS pass, whoever signed the certificate', async (t) => {
  await startProsody('modules_enabled = { "tls", "saslauth" }\nVirtualHost "chat.test"\n');
  for (const call of ['probe_xmpp 127.0.0.1 5222 chat.test', 'probe_xmpp ::1 5222 chat.test', 'probe_tcp 127.0.0.1 5222']) {
    const { passed, answer } = await probe(call);
    t.true(passed, `${call}: ${answer}`);
  }
});

test.serial('another domain, a closed port, and something that is no XMPP server do not pass', async (t) => {
  t.deepEqual(await probe('probe_xmpp 127.0.0.1 5222 other.test'), {
    passed: false,
    answer: 'no TLS stream: no STARTTLS for other.test was offered',
  });
  t.regex((await probe('probe_xmpp 127.0.0.1 5999 chat.test')).answer, /^no TLS stream: .*errno=111/);
  t.false((await probe('probe_xmpp 127.0.0.1 22 chat.test')).passed, 'sshd listens there');
  t.deepEqual(await probe('probe_tcp 127.0.0.1 5999'), { passed: false, answer: 'no connection' });
});

test.serial('mechanisms without TLS do not pass', async (t) => {
  await startProsody('modules_enabled = { "saslauth" }\nc2s_require_encryption = false\nallow_unencrypted_plain_auth = true\nVirtualHost "chat.test"\n');
  t.true((await probe('probe_tcp 127.0.0.1 5222')).passed, 'it runs');
  t.false((await probe('probe_xmpp 127.0.0.1 5222 chat.test')).passed);
});
