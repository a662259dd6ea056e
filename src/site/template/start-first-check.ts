import { isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml';
import type { ShipError } from '../../errors.ts';

interface StartFirstService {
  readonly name: string;
  readonly key: Node | undefined;
  readonly service: YAMLMap;
  /** `data.volumes` of the recipe. */
  readonly dataVolumes: readonly string[];
}

type Add = (node: unknown, code: ShipError['code'], message: string, remedy: string) => void;

/** For a while two containers of the service run: they must neither want one port nor write one volume. */
export function checkStartFirst({ name, key, service, dataVolumes }: StartFirstService, add: Add): void {
  const ports = items(service.get('ports'));
  const remedy = "Publish one port on two of this host's own: '127.0.0.1:8081-8082:80', next to each other. The proxy in front knows both; see docs/recipes/web-services.md.";
  for (const port of ports) {
    if (!isPair(port)) add(port, 'E_START_FIRST_PORT', `'${name}' starts beside its predecessor, and both cannot have this port`, remedy);
  }
  if (ports.length > 1) add(ports[1], 'E_START_FIRST_PORT', `'${name}' starts beside its predecessor and publishes more than one port`, remedy);
  if (service.has('network_mode')) {
    add(key, 'E_START_FIRST_PORT', `'${name}' starts beside its predecessor, and \`network_mode\` gives both the same network`, 'Remove `network_mode`, or leave the service stop-first.');
  }
  for (const volume of items(service.get('volumes'))) {
    const source = volumeName(volume);
    if (source === undefined || !dataVolumes.includes(source)) continue;
    add(volume, 'E_START_FIRST_DATA', `'${name}' starts beside its predecessor, and both would write the data in '${source}'`, 'Mount it read-only, or leave the service stop-first.');
  }
}

function items(node: unknown): unknown[] {
  return isSeq(node) ? node.items : [];
}

/** `127.0.0.1:8081-8082:80`, or the same in Compose's long syntax. */
function isPair(node: unknown): boolean {
  const [address, range = ''] = isMap(node)
    ? [node.get('host_ip'), String(node.get('published'))]
    : /^(127\.[\d.]+):([\d-]+):\d+(?:\/tcp)?$/.exec(isScalar(node) ? String(node.value) : '')?.slice(1) ?? [];
  const [first, second, ...more] = range.split('-').map(Number);
  return typeof address === 'string' && address.startsWith('127.') && more.length === 0 && first !== undefined && second === first + 1;
}

/** The named volume that is mounted for writing. */
function volumeName(node: unknown): string | undefined {
  if (isMap(node)) return node.get('read_only') === true ? undefined : String(node.get('source'));
  const [source, , mode = ''] = (isScalar(node) ? String(node.value) : '').split(':');
  return mode.split(',').includes('ro') ? undefined : source;
}
