import { pbkdf2Sync } from 'node:crypto';
import type { SecretRegistry } from '../../secret.ts';
import type { OsSettings } from '../../site/model.ts';

/**
 * What stands in PROSE_SHIP_SECRETS_DIR while setup.sh runs, by path below it: hand it over as BuildKit secrets or as a
 * folder for root alone. `runtime` are the release's secrets by name, `os` has its own resolved (`resolveOsSecrets`).
 */
export function setupSecrets(os: OsSettings, runtime: ReadonlyMap<string, string>, registry: SecretRegistry): ReadonlyMap<string, string> {
  const files = new Map([...runtime].map(([name, value]) => [`secrets/${name}`, value]));
  const network = os.wifi?.network;
  if (network) files.set('wifi-passphrase', registry.add(wifiKey(network.ssid, network.passphrase.reveal())).reveal());
  return files;
}

/**
 * The key that a WPA2 passphrase stands for (IEEE 802.11-2020 section J.4.1), in hex: a card that gets lost opens this one
 * network, and not whatever else has the same passphrase. A key in hex is that already.
 */
export function wifiKey(ssid: string, passphrase: string): string {
  if (/^[0-9a-f]{64}$/i.test(passphrase)) return passphrase.toLowerCase();
  return pbkdf2Sync(passphrase, Buffer.from(ssid), 4096, 32, 'sha1').toString('hex');
}
