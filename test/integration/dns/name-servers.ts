import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { entry, node } from '../../support/command-line.ts';
import { Machine } from '../../support/hosts/lan.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** A machine that nothing is connected to, so that every address of 127.0.0.0/8 has its own port 53. */
export async function startMachine(name: string): Promise<Machine> {
  return Machine.start(name, await temporaryDirectory(name));
}

/** What `prose-ship dns ARGS` prints for a site: nothing is asked. */
export async function printed(file: string, args: readonly string[]): Promise<string> {
  const { stdout } = await execa(node, [entry, 'dns', '--config', file, ...args], { env: { CI: '1' }, stripFinalNewline: false });
  return stdout;
}

/** The real BIND for these zones, and for nothing else: it resolves no names of others. */
export async function startNamed(machine: Machine, address: string, zones: Readonly<Record<string, string>>): Promise<void> {
  const file = (name: string) => path.join(machine.directory, name);
  for (const [zone, text] of Object.entries(zones)) await writeFile(file(`${zone}.zone`), text);
  const configuration = [
    `options { directory "${machine.directory}"; listen-on { ${address}; }; listen-on-v6 { none; }; pid-file none; session-keyfile none; lock-file none; recursion no; dnssec-validation no; notify no; };`,
    'controls { };',
    ...Object.keys(zones).map((zone) => `zone "${zone}" { type primary; file "${zone}.zone"; };`),
  ];
  await writeFile(file(`named-${address}.conf`), `${configuration.join('\n')}\n`);
  // BIND listens to what is set up, not to the whole of 127.0.0.0/8.
  await machine.must(`ip address replace ${address}/8 dev lo`);
  // It goes into the background when it is ready to answer, and ends with the machine.
  await machine.must(`named -4 -n 1 -c '${file(`named-${address}.conf`)}'`);
}

/** The real dnsmasq with this configuration and nothing of this machine's. */
export async function startDnsmasq(machine: Machine, address: string, configuration: string): Promise<void> {
  const file = path.join(machine.directory, `dnsmasq-${address}.conf`);
  await writeFile(file, configuration);
  await machine.must(`dnsmasq --test --conf-file='${file}'`);
  await machine.must(`dnsmasq --conf-file='${file}' --listen-address=${address} --bind-interfaces --no-resolv --no-hosts --user=root --pid-file`);
}

/** Somebody who takes questions and never answers. */
export async function startSilence(machine: Machine, address: string): Promise<void> {
  await machine.daemon([node, '--eval', `require('dgram').createSocket('udp4').bind(53, '${address}', () => console.log('ready'))`], 'ready');
}

/** Makes the machine's programs ask this server, as DHCP does. */
export async function setResolver(machine: Machine, address: string): Promise<void> {
  const file = path.join(machine.directory, 'resolv.conf');
  await writeFile(file, `nameserver ${address}\n`);
  await machine.must(`target=$(readlink -m /etc/resolv.conf); [ -e "$target" ] || { mkdir -p "\${target%/*}"; : >"$target"; }; mount --bind '${file}' "$target"`);
}
