import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** `files/` of a customisation and its `files.list`: PATH, MODE, UID, GID, separated by tabs; folders end in a slash. */
export class FileList {
  readonly root: string;
  readonly #entries = new Map<string, string>();

  constructor(root: string) {
    this.root = root;
  }

  async write(file: string, content: string, mode: number, uid = 0, gid = uid): Promise<void> {
    await writeFile(await this.#place(file), content);
    this.#add(file, mode, uid, gid);
  }

  async copy(source: string, file: string, mode: number): Promise<void> {
    await copyFile(source, await this.#place(file));
    this.#add(file, mode, 0, 0);
  }

  /** `folder` ends in a slash. */
  directory(folder: string, mode: number, uid = 0): void {
    this.#add(folder, mode, uid, uid);
  }

  /** A file that is there already: it and its folders down from `above` are root's alone. */
  forRootAlone(file: string, above: string): void {
    for (let folder = path.posix.dirname(file); folder.startsWith(above); folder = path.posix.dirname(folder)) this.#add(`${folder}/`, 0o700, 0, 0);
    this.#add(file, 0o600, 0, 0);
  }

  /** Folders come before what is in them. */
  format(): string {
    const paths = [...this.#entries.keys()].sort();
    return paths.map((file) => `${file}\t${this.#entries.get(file) ?? ''}\n`).join('');
  }

  #add(file: string, mode: number, uid: number, gid: number): void {
    this.#entries.set(file, `0${mode.toString(8).padStart(3, '0')}\t${uid}\t${gid}`);
  }

  async #place(file: string): Promise<string> {
    const target = path.join(this.root, file);
    await mkdir(path.dirname(target), { recursive: true });
    return target;
  }
}
