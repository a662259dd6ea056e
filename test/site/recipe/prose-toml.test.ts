import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { goldenDirectory } from '../golden/golden-sites.ts';

/**
 * Keys of prose.toml that a site of the recipe prose-pod may want, as Prose's reference of the Pod configuration and the API
 * (0.19) have them. A release build of the API does not start with a key that it does not know.
 */
const documented: Readonly<Record<string, readonly string[]>> = {
  branding: ['company_name', 'api_app_name'],
  'pod.address': ['domain', 'ipv4', 'ipv6'],
  dashboard: ['url'],
  api: ['address', 'port'],
  'api.network_checks': ['timeout', 'retry_interval'],
  log: ['level', 'format'],
  auth: ['token_ttl', 'password_reset_token_ttl'],
  server: ['domain', 'log_level'],
  'server.defaults': [
    'message_archive_enabled',
    'message_archive_retention',
    'file_upload_allowed',
    'file_storage_retention',
    'tls_profile',
    'federation_enabled',
    'federation_whitelist_enabled',
    'federation_friendly_servers',
    'push_notification_with_body',
    'push_notification_with_sender',
  ],
  prosody_ext: ['additional_modules_enabled'],
  'notifiers.email': ['pod_address', 'smtp_host', 'smtp_port', 'smtp_username', 'smtp_encrypt'],
};

/** Sections and their keys, in the order of the file. */
function keysOf(toml: string): Record<string, string[]> {
  const sections: Record<string, string[]> = {};
  let section = '';
  for (const line of toml.split('\n')) {
    section = /^\[(.*)\]$/.exec(line)?.[1] ?? section;
    const key = /^(\w+) = /.exec(line)?.[1];
    if (key !== undefined) (sections[section] ??= []).push(key);
  }
  return sections;
}

test('with every variable given, prose.toml has exactly the documented keys; the password of the mail server is no file of a release', async (t) => {
  t.deepEqual(keysOf(await readFile(path.join(goldenDirectory, 'prose-pod-federated/prose.toml'), 'utf8')), documented);
});

test('with none, it has none that the API would have to know besides', async (t) => {
  for (const [section, keys] of Object.entries(keysOf(await readFile(path.join(goldenDirectory, 'prose-pod/prose.toml'), 'utf8')))) {
    for (const key of keys) t.true(documented[section]?.includes(key), `[${section}] ${key}`);
  }
});
