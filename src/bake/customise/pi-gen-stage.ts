import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { replaceDirectory, writeAtomically } from '../../host/files.ts';
import { wrongUsage } from '../../errors.ts';
import type { OsSettings } from '../../site/model.ts';
import type { EngineSource } from '../engine-source/engine-source.ts';
import { writeCustomisation, type Customisation, type CustomisationOptions } from './write-customisation.ts';

const templateDirectory = path.resolve(import.meta.dirname, '../../../pi-gen');
const stage = 'stage-prose-ship';

export type PiGenStageOptions = Omit<CustomisationOptions, 'preload'>;

/** In a checkout of pi-gen: `./build.sh -c prose-ship.config`. */
const configFile = 'prose-ship.config';

/**
 * Writes what pi-gen needs to build this site's card into `directory`, which may be a checkout of pi-gen:
 * `prose-ship.config` and `stage-prose-ship/`, whose scripts run the very customisation that `bake` uses. Nothing else
 * there is touched. pi-gen has no engine, so the first boot loads the images from archives.
 * @throws ShipError E_WRONG_ARCHITECTURE, exit status 3
 */
export async function writePiGenStage(directory: string, options: PiGenStageOptions): Promise<Customisation> {
  const { os, manifest } = options;
  const place = path.join(directory, stage);
  let written: Customisation | undefined;
  await replaceDirectory(place, async (target) => {
    await cp(path.join(templateDirectory, stage), target, { recursive: true });
    written = await writeCustomisation(path.join(target, 'customisation'), { ...options, preload: 'archive' });
    if (options.engine?.aptSource !== undefined) await writeEngineSource(target, options.engine);
    const install = path.join(target, '00-install');
    await mkdir(install);
    await cp(path.join(target, 'customisation/debconf'), path.join(install, '00-debconf'));
    // -nr: no recommended packages, as in a baked card.
    await cp(path.join(target, 'customisation/packages'), path.join(install, '00-packages-nr'));
  });
  const template = await readFile(path.join(templateDirectory, 'config'), 'utf8');
  await writeAtomically(path.join(directory, configFile), (file) => writeFile(file, fillConfig(template, manifest.name, os)));
  if (!written) throw new Error('unreachable: replaceDirectory ran its callback');
  return { ...written, directory: path.join(place, 'customisation') };
}

/** The packages that follow are Docker's: the root file system must know where they are before apt is asked. */
async function writeEngineSource(target: string, { directory }: EngineSource): Promise<void> {
  if (directory !== undefined) throw wrongUsage(`the engine's repository is the folder '${directory}', which pi-gen's chroot does not see`, 'Name its address under `os.engine.repository`.');
  const script = [
    '#!/bin/bash -e',
    '../customisation/engine-source.sh "${ROOTFS_DIR}" >"${ROOTFS_DIR}/etc/apt/sources.list.d/docker.sources"',
    'on_chroot <<CHROOT',
    'apt-get update',
    'CHROOT',
    '',
  ];
  await mkdir(path.join(target, '00-engine'));
  await writeFile(path.join(target, '00-engine/00-run.sh'), script.join('\n'), { mode: 0o755 });
}

/** pi-gen reads its configuration with the shell, so every value stands in single quotes. */
function fillConfig(template: string, name: string, os: OsSettings): string {
  const values: Readonly<Record<string, string>> = {
    NAME: quote(name),
    HOSTNAME: quote(os.hostname),
    USER: quote(os.user),
    KEY: quote(os.authorizedKeys[0] ?? ''),
    LOCALE: quote(os.locale),
    KEYBOARD: quote(os.keyboard),
    TIMEZONE: quote(os.timezone),
    COUNTRY: os.wifi ? `WPA_COUNTRY=${quote(os.wifi.country)}` : '# WPA_COUNTRY is unset: the radio stays off.',
  };
  return template.replaceAll(/@([A-Z]+)@/g, (_, key: string) => values[key] ?? '');
}

function quote(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`;
}
