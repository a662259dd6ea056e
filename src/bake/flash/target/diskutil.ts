import { XMLParser } from 'fast-xml-parser';
import type { Command } from '../../../host/process.ts';
import type { FlashTarget, Use } from './flash-target.ts';

/** macOS. Written after Apple's manual page and never run there: no Mac was at hand. */
export function diskutilCommand(device: string, verb: 'info' | 'list'): Command {
  return { program: 'diskutil', args: [verb, '-plist', device] };
}

/** The target of `diskutil info -plist DISK` and `diskutil list -plist DISK`. */
export function parseDiskutil(info: string, list: string): FlashTarget {
  const disk = parsePlist(info) as Record<string, unknown>;
  const text = (key: string) => (typeof disk[key] === 'string' ? disk[key] : undefined);
  const path = text('DeviceNode') ?? '';
  const all = ((parsePlist(list) as Record<string, unknown>)['AllDisksAndPartitions'] ?? []) as readonly Record<string, unknown>[];
  const volumes = all.flatMap((entry) => [entry, ...((entry['Partitions'] ?? []) as readonly Record<string, unknown>[]), ...((entry['APFSVolumes'] ?? []) as readonly Record<string, unknown>[])]);
  const model = text('MediaName');
  const transport = text('BusProtocol');
  const wholeDisk = text('ParentWholeDisk');
  return {
    path,
    openPath: path.replace('/dev/disk', '/dev/rdisk'), // unbuffered
    kind: disk['WholeDisk'] === true ? 'disk' : 'partition',
    sizeBytes: Number(disk['TotalSize'] ?? disk['Size'] ?? 0),
    ...(model ? { model } : {}),
    ...(transport ? { transport } : {}),
    removable: disk['RemovableMediaOrExternalDevice'] === true || disk['Internal'] === false,
    readOnly: disk['WritableMedia'] === false,
    ...(wholeDisk ? { wholeDisk: `/dev/${wholeDisk}` } : {}),
    contents: volumes.flatMap(({ DeviceIdentifier, Content, VolumeName }) => (VolumeName ? [[DeviceIdentifier, Content, VolumeName].join(' ')] : [])),
    uses: volumes.flatMap(({ DeviceIdentifier, MountPoint }): Use[] => (typeof MountPoint === 'string' && MountPoint !== '' ? [{ device: `/dev/${String(DeviceIdentifier)}`, by: MountPoint, kind: 'mount' }] : [])),
    deviceNumbers: [],
  };
}

interface Ordered {
  readonly [tag: string]: readonly Ordered[] | string;
}

/** An XML property list as plain data; numbers stay exact up to 2^53. */
export function parsePlist(xml: string): unknown {
  const parser = new XMLParser({ preserveOrder: true, parseTagValue: false, ignoreDeclaration: true });
  const document = parser.parse(xml.replace(/<!DOCTYPE[^>]*>/, '')) as readonly Ordered[];
  const root = document.find((element) => 'plist' in element)?.['plist'];
  const [value] = typeof root === 'object' ? root : [];
  return value ? valueOf(value) : undefined;
}

function valueOf(element: Ordered): unknown {
  const [tag = '', content = []] = Object.entries(element)[0] ?? [];
  const children = typeof content === 'string' ? [] : content;
  const text = textOf(content);
  if (tag === 'dict') {
    const entries: [string, unknown][] = [];
    for (let at = 0; at + 1 < children.length; at += 2) {
      const [key, value] = [children[at], children[at + 1]];
      if (key && value) entries.push([textOf(key['key']), valueOf(value)]);
    }
    return Object.fromEntries(entries);
  }
  if (tag === 'array') return children.map(valueOf);
  if (tag === 'integer' || tag === 'real') return Number(text);
  return tag === 'true' ? true : tag === 'false' ? false : text;
}

function textOf(content: Ordered[string] | undefined): string {
  const text = typeof content === 'string' ? content : content?.[0]?.['#text'];
  return typeof text === 'string' ? text : '';
}
