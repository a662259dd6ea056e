import test from 'ava';
import { digestOf, encodedPart } from '../../src/oci/digest.ts';
import { readRelease } from '../../src/release/read-release.ts';
import { planPath, rolloutPlan } from '../../src/release/rollout-plan.ts';
import { verifyRelease } from '../../src/release/verify-release.ts';
import { packedRelease } from '../support/releases/packed-release.ts';

test('the plan names samples of each image, and fields are separated by tabs', async (t) => {
  const { directory, manifest } = await packedRelease([{ 'bin/server': 'a program' }, { 'etc/version': '1' }]);
  const [image] = manifest.images;
  t.deepEqual(image?.samples, [
    { path: 'bin/server', sizeBytes: 9, digest: digestOf('a program') },
    { path: 'etc/version', sizeBytes: 1, digest: digestOf('1') },
  ]);
  const plan = rolloutPlan(manifest, image!.platform);
  t.true(plan.includes(`sample\tserver\tbin/server\t9\t${encodedPart(digestOf('a program'))}\nsample\tserver\tetc/version\t1\t`), plan);
  t.is(planPath(image!.platform), 'plans/linux-arm64.plan');
  await t.notThrowsAsync(verifyRelease(directory));
  t.deepEqual((await readRelease(directory)).manifest, manifest);
});

test('every probe and kind of service as the updater reads it', async (t) => {
  const { manifest } = await packedRelease([{ 'etc/version': '1' }]);
  const [image] = manifest.images;
  const plan = rolloutPlan(
    {
      ...manifest,
      rollout: {
        timeoutSeconds: 60,
        soakSeconds: 5,
        services: [
          { name: 'migrate', component: 'server', kind: 'oneshot', probes: [] },
          {
            name: 'server',
            component: 'server',
            probes: [
              { type: 'tcp', host: '127.0.0.1', port: 1 },
              { type: 'http', url: 'http://127.0.0.1/', status: 200 },
              { type: 'http', url: 'http://127.0.0.1/', status: 200, json: { path: 'a.0', equals: 'x y' } },
              { type: 'xmpp', host: '::1', port: 5222, domain: 'chat.test' },
              { type: 'tls', host: '127.0.0.1', port: 443, starttls: 'none', name: 'chat.test', minimumDays: 7, trusted: false },
              { type: 'tls', host: '127.0.0.1', port: 25, starttls: 'smtp', name: 'mail.test', minimumDays: 0, trusted: true },
              { type: 'command', command: ['true', '-x'] },
            ],
          },
        ],
      },
    },
    image!.platform,
  );
  const lines = plan.split('\n').filter((line) => /^(service|oneshot|probe|gate)\t/.test(line));
  t.deepEqual(lines, [
    'service\tmigrate\tserver',
    'oneshot\tmigrate',
    'service\tserver\tserver',
    'probe\tserver\ttcp\t127.0.0.1\t1',
    'probe\tserver\thttp\thttp://127.0.0.1/\t200',
    'probe\tserver\thttp\thttp://127.0.0.1/\t200\tjson\ta.0\tx y',
    'probe\tserver\txmpp\t::1\t5222\tchat.test',
    'probe\tserver\ttls\t127.0.0.1\t443\tnone\tchat.test\t7\tany',
    'probe\tserver\ttls\t127.0.0.1\t25\tsmtp\tmail.test\t0\ttrusted',
    'probe\tserver\tcommand\ttrue\t-x',
    'gate\t60\t5',
  ]);
});
