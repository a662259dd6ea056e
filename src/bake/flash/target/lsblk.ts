import { ShipError } from '../../../errors.ts';
import type { Command } from '../../../host/process.ts';
import type { Mount } from './mountinfo.ts';
import type { FlashTarget, Use } from './flash-target.ts';

/** Columns that util-linux 2.33 and later know. */
const columns = 'NAME,PATH,MAJ:MIN,TYPE,SIZE,RO,RM,HOTPLUG,TRAN,VENDOR,MODEL,LABEL,FSTYPE,MOUNTPOINT,PKNAME';

export function lsblkCommand(device: string): Command {
  return { program: 'lsblk', args: ['--json', '--bytes', '--output', columns, device] };
}

/** A device and what stands on it: partitions, LVM, dm-crypt, RAID. */
interface Node {
  readonly name: string;
  readonly path: string;
  readonly 'maj:min': string;
  readonly type: string;
  readonly size: number | string;
  readonly ro: Flag;
  readonly rm: Flag;
  readonly hotplug: Flag;
  readonly tran: string | null;
  readonly vendor: string | null;
  readonly model: string | null;
  readonly label: string | null;
  readonly fstype: string | null;
  readonly mountpoint: string | null;
  readonly pkname: string | null;
  readonly children?: readonly Node[];
}
/** Before util-linux 2.37 numbers and booleans were strings. */
type Flag = boolean | '0' | '1';

const isSet = (flag: Flag) => flag === true || flag === '1';
const parts: readonly string[] = ['part'];

/** The target of `lsblk --json` about one device, with its mounts of this mount namespace. */
export function parseLsblk(json: string, mounts: readonly Mount[]): FlashTarget {
  const { blockdevices } = JSON.parse(json) as { blockdevices: readonly Node[] };
  const [node] = blockdevices;
  if (!node) throw new ShipError({ code: 'E_DEVICE_NOT_FOUND', message: 'lsblk knows no such device', remedy: '`lsblk` lists the disks.', exitStatus: 3 });
  const nodes = [node, ...below(node)];
  const model = [node.vendor, node.model].map((word) => word?.trim()).filter(Boolean).join(' ');
  return {
    path: node.path,
    openPath: node.path,
    kind: parts.includes(node.type) ? 'partition' : 'disk',
    sizeBytes: Number(node.size),
    ...(model ? { model } : node.type === 'loop' ? { model: 'loop device' } : {}),
    ...(node.tran ? { transport: node.tran } : {}),
    removable: isSet(node.rm) || isSet(node.hotplug) || node.tran === 'usb',
    readOnly: isSet(node.ro),
    ...(node.pkname ? { wholeDisk: node.pkname.startsWith('/') ? node.pkname : `/dev/${node.pkname}` } : {}),
    contents: nodes.flatMap(({ name, fstype, label }) => (fstype ? [[name, fstype, label].filter(Boolean).join(' ')] : [])),
    uses: nodes.flatMap((each) => usesOf(each, node, mounts)),
    deviceNumbers: nodes.map((each) => each['maj:min'].trim()),
  };
}

function below(node: Node): readonly Node[] {
  return (node.children ?? []).flatMap((child) => [child, ...below(child)]);
}

function usesOf(node: Node, target: Node, mounts: readonly Mount[]): readonly Use[] {
  const device = node.path;
  const mounted = mounts.filter(({ deviceNumber, source }) => deviceNumber === node['maj:min'].trim() || source === device).map(({ mountPoint }) => mountPoint);
  const known = node.mountpoint && node.mountpoint !== '[SWAP]' ? [node.mountpoint] : [];
  return [
    ...[...new Set([...mounted, ...known])].map((by): Use => ({ device, by, kind: 'mount' })),
    ...(node.mountpoint === '[SWAP]' ? [{ device, by: '[SWAP]', kind: 'swap' } as const] : []),
    ...(node === target || parts.includes(node.type) ? [] : [{ device, by: `${node.type} ${node.name}`, kind: 'holder' } as const]),
  ];
}
