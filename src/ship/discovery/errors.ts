import { ExitStatus, ShipError } from '../../errors.ts';
import type { NetworkInterface } from '../../host/network/interfaces.ts';

export function noInterface(name: string, all: readonly NetworkInterface[]): ShipError {
  const names = all.map((one) => one.name).join(', ');
  return new ShipError({
    code: 'E_BAD_INTERFACE',
    message: `'${name}' is no network interface that is up and has an address`,
    remedy: names ? `It is one of ${names}.` : 'Connect this machine to the network of the Raspberry Pi.',
    exitStatus: ExitStatus.usage,
  });
}

export function noNetwork(all: readonly NetworkInterface[]): ShipError {
  const virtual = all.map(({ name }) => name).join(', ');
  return new ShipError({
    code: 'E_NO_NETWORK',
    message: `This machine is on no local network${virtual ? `; ${virtual} are containers' or tunnels'` : ''}`,
    remedy: `Connect it to the network of the Raspberry Pi${virtual ? ', or name an interface with --interface' : ''}.`,
    exitStatus: ExitStatus.preflight,
  });
}

export function nothingFound(interfaces: readonly NetworkInterface[], others: number): ShipError {
  const networks = interfaces.flatMap(({ name, networks: own }) => own.filter(({ family }) => family === 4).map(({ address, prefixLength }) => `${address}/${prefixLength} on ${name}`));
  const where = networks.length > 0 ? networks.join(', ') : interfaces.map(({ name }) => name).join(', ');
  return new ShipError({
    code: 'E_NOTHING_FOUND',
    message: `No Raspberry Pi was found (${where})`,
    remedy: [
      'A first boot takes a minute or two: try again.',
      'The Pi must be on this very network: not a guest network, not behind another router; Wi-Fi needs the right country and password.',
      `Listen longer with --timeout 10, ask every address with --probe always${others > 0 ? `, or show the ${others} other neighbours with --all` : ''}.`,
      "The router's list of devices knows its address, too: `prose-ship provision pi@ADDRESS`.",
    ].join(' '),
  });
}
