import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { wrongUsage } from '../../../errors.ts';
import type { AuthorityDescription } from '../../../ship/authority/describe-authority.ts';
import type { ExportFormat } from '../../../ship/authority/export-authority.ts';
import { connectOption, hostArgument, onHosts } from './host-verb.ts';
import { word, words, type Session, type Verb, type VerbOptions } from '../../verb.ts';

const actions = ['show', 'export'] as const;
const formats = ['pem', 'der', 'mobileconfig', 'qr'] as const satisfies readonly ExportFormat[];

export const authority: Verb = {
  name: 'authority',
  summary: "a host's private certificate authority: what it is for, and its certificate for clients",
  arguments: [{ name: '<action>', description: 'show or export' }, hostArgument],
  options: [
    { flags: '--format <kind>', description: 'with export: how clients are given it; qr leads phones to the page that has it', choices: formats, default: 'pem' },
    { flags: '--output <file>', description: 'with export: write it here, a QR code as SVG (default: standard output)' },
    { flags: '--fingerprint <sha256>', description: 'refuse an authority with another fingerprint' },
    connectOption,
  ],
  example: 'authority export pi@raspberrypi.local --format mobileconfig --output chat.mobileconfig',
  run: async (session, args, options) => {
    const action = actions.find((one) => one === args[0]);
    if (!action) throw wrongUsage(`'${String(args[0])}' is not something to do with an authority`, `It is one of ${actions.join(', ')}.`, 'E_BAD_ACTION');
    const work = action === 'show' ? show : exportTo;
    return work(session, words(args, 1), options);
  },
};

async function show(session: Session, hosts: readonly string[], options: VerbOptions): Promise<object | undefined> {
  const { readAuthority } = await import('../../../ship/authority/read-authority.ts');
  const { describeAuthority } = await import('../../../ship/authority/describe-authority.ts');
  const [description] = await onHosts(session, hosts, options, async (device) => describeAuthority(device, await readAuthority(device, word(options['fingerprint']))));
  if (description) {
    if (description.permits.length === 0) warn(session, `${description.name} may sign for everybody: it is older than this prose-ship. Keep its key well`);
    if (description.signed?.holds === false) warn(session, 'The certificate of the server does not hold: clients that trust this authority refuse it');
    session.print(formatDescription(description));
  }
  return description;
}

function warn({ context }: Session, message: string): void {
  context.emit({ type: 'log', level: 'warning', message: `${message}.` });
}

function formatDescription({ name, fingerprint, until, permits, page, signed }: AuthorityDescription): string {
  const rows = [
    ['authority', name],
    ['fingerprint', `SHA-256 ${fingerprint}`],
    ['until', until.slice(0, 10)],
    ['may sign', permits.join(', ') || 'for everybody'],
    ...(page === undefined ? [] : [['phones', page]]),
    ...(signed ? [['signed', `${signed.names.join(', ')}, until ${signed.until.slice(0, 10)}${signed.holds ? '' : ' (does not hold)'}`]] : []),
  ];
  return rows.map(([key = '', value = '']) => `${key.padEnd(11)}  ${value}`).join('\n');
}

async function exportTo(session: Session, hosts: readonly string[], options: VerbOptions): Promise<object | undefined> {
  const { readAuthority } = await import('../../../ship/authority/read-authority.ts');
  const { exportAuthority } = await import('../../../ship/authority/export-authority.ts');
  const format = formats.find((one) => one === options['format']) ?? 'pem';
  const output = word(options['output']);
  if (format === 'der' && output === undefined) throw wrongUsage('DER is not text', 'Name a file: --output chat.der.');
  const surface = output === undefined ? (process.stdout.isTTY ? 'terminal' : 'text') : 'file';
  const [exported] = await onHosts(session, hosts, options, async (device) => {
    const found = await readAuthority(device, word(options['fingerprint']));
    return { host: device.host.name, fingerprint: found.fingerprint, content: await exportAuthority(device, found, format, surface) };
  });
  if (!exported) return undefined;
  const { content, ...described } = exported;
  session.context.emit({ type: 'log', level: 'info', message: `Whoever installs it compares the fingerprint: SHA-256 ${described.fingerprint}` });
  if (output === undefined) {
    session.print(String(content).trimEnd());
    return { ...described, format, content: String(content) };
  }
  const file = path.resolve(output);
  if (!session.dryRun) {
    const { writeAtomically } = await import('../../../host/files.ts');
    await writeAtomically(file, (temporary) => writeFile(temporary, content));
  }
  session.print(file);
  return { ...described, format, file };
}
