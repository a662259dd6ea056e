import semver from 'semver';
import { z } from 'zod';
import { isDigest, type Digest } from '../oci/digest.ts';
import type { ReleaseManifest } from './manifest.ts';
import { hostPathPattern } from '../site/host/host-path.ts';
import { samplePath } from './samples/choose-samples.ts';

/** Checks a `release.json` that may come from anywhere; the types are those of manifest.ts. */

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), 'not a sha256 digest');
/** Inside the release, so that no damaged manifest reads or writes elsewhere. */
const path = z.string().regex(/^(?!.*(^|\/)\.\.?(\/|$))[\w.][\w./-]*$/, 'not a plain relative path');
const name = z.string().regex(/^[a-z0-9][a-z0-9_-]*$/);
const file = { path, sizeBytes: z.int().min(0), digest };
/** Plans separate fields by tabs and lines. */
const word = z.string().regex(/^[^\t\r\n]*$/, 'has a tab or a line break');

const probe = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('tcp'), host: word, port: z.int() }),
  z.strictObject({ type: z.literal('http'), url: word, status: z.int(), json: z.strictObject({ path: word, equals: word }).exactOptional() }),
  z.strictObject({
    type: z.literal('tls'),
    host: word,
    port: z.int(),
    starttls: z.enum(['none', 'xmpp', 'smtp']),
    name: word,
    minimumDays: z.int().min(0),
    trusted: z.boolean(),
  }),
  z.strictObject({ type: z.literal('xmpp'), host: word, port: z.int(), domain: word }),
  z.strictObject({ type: z.literal('command'), command: z.array(word).min(1) }),
]);
/** Three numbers, as a shell compares them. */
const release = z.string().regex(/^\d+\.\d+\.\d+$/);
const range = z.string().refine((value) => semver.validRange(value) !== null, 'not a range of versions');
const accountCommand = z.strictObject({ command: z.array(z.string()), input: z.string() });

/** A shell reads words between tabs, so none may be empty. */
const command = z.array(word.min(1)).min(1);
const host = z.strictObject({
  files: z.array(z.strictObject({ path: z.string().regex(hostPathPattern), file: path, action: name.exactOptional() })),
  actions: z.array(z.strictObject({ name, check: command.exactOptional(), apply: command, timeoutSeconds: z.int().min(1) })),
  checks: z.array(z.strictObject({ name, command })).exactOptional(),
});

const processes = z.array(
  z.strictObject({
    service: name,
    entrypoint: z.string().regex(/^[\w.][\w.-]*$/),
    command,
    environment: z.record(z.string().regex(/^[A-Za-z_]\w*$/), word),
    ports: z.array(z.int().min(1024).max(65_535)),
    stopSeconds: z.int().min(1),
  }),
);

const manifest = z.strictObject({
  format: z.literal(1),
  id: z.string().regex(/^[0-9A-Za-z.+-]+-[0-9a-f]{12}$/),
  name,
  version: z.string(),
  domain: z.string(),
  recipe: z.strictObject({ name: z.string(), version: z.string() }),
  images: z.array(
    z.strictObject({
      component: name,
      platform: z.strictObject({ os: z.string(), architecture: z.string(), variant: z.string().exactOptional() }),
      reference: word,
      configDigest: digest,
      diffIds: z.array(digest).min(1),
      archive: z.strictObject(file),
      samples: z.array(z.strictObject({ path: z.string().regex(samplePath), sizeBytes: z.int().min(1), digest })).exactOptional(),
    }),
  ),
  sbom: z.strictObject(file).exactOptional(),
  compose: z.strictObject(file),
  files: z.array(
    z.strictObject({
      ...file,
      name: z.string().regex(/^[\w.][\w.-]*$/),
      mode: z.string().regex(/^0[0-7]{3}$/),
      uid: z.int().min(0),
      gid: z.int().min(0),
    }),
  ),
  rollout: z.strictObject({
    upgradeFrom: range.exactOptional(),
    services: z
      .array(
        z.strictObject({
          name,
          component: name,
          kind: z.literal('oneshot').exactOptional(),
          probes: z.array(probe),
          startFirst: z.strictObject({ drainSeconds: z.int().min(0) }).exactOptional(),
          restartAfter: z.array(name).exactOptional(),
          maintenancePage: z.string().regex(/^[\w.][\w.-]*$/).exactOptional(),
        }),
      )
      .min(1),
    timeoutSeconds: z.int().min(1),
    soakSeconds: z.int().min(0),
  }),
  data: z.strictObject({
    version: z.int().min(0),
    volumes: z.array(name),
    names: z.record(name, z.string().regex(/^[a-z0-9][a-z0-9.-]*$/)).exactOptional(),
    rename: z.strictObject({ service: name, command }).exactOptional(),
    renameImpossible: z.string().exactOptional(),
  }),
  retention: z.strictObject({ releases: z.int().min(2), diskBudgetBytes: z.int().min(1).exactOptional() }).exactOptional(),
  requires: z.strictObject({ engine: release.exactOptional(), compose: release.exactOptional() }).exactOptional(),
  accounts: z
    .strictObject({ service: name, add: accountCommand, passwd: accountCommand, list: accountCommand })
    .exactOptional(),
  host: host.exactOptional(),
  processes: processes.exactOptional(),
  secrets: z.array(name),
  generatedSecrets: z.array(name).exactOptional(),
});

export const releaseManifestSchema: z.ZodType<ReleaseManifest> = manifest.check(({ value, issues }) => {
  const files = value.files.map((one) => one.path);
  const actions = value.host?.actions.map((one) => one.name) ?? [];
  for (const one of value.host?.files ?? []) {
    const why = !files.includes(one.file) ? `${one.file} is no file of the release` : one.action !== undefined && !actions.includes(one.action) ? `there is no action ${one.action}` : undefined;
    if (why !== undefined) issues.push({ code: 'custom', path: ['host', 'files'], input: one, message: why });
  }
  for (const one of value.generatedSecrets ?? []) {
    if (!value.secrets.includes(one)) issues.push({ code: 'custom', path: ['generatedSecrets'], input: one, message: `${one} is no secret of the release` });
  }
});
