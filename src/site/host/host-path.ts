import type { Refusal } from '../schema/words.ts';

/** Absolute and normal, of characters that neither a shell nor a plan stumbles over. */
export const hostPathPattern = /^(?:\/(?!\.\.?(?:\/|$))[\w.+@:=,~-]+)+$/;

/** What a release must not write: prose-ship's own, what is no file on a disk, and what could lock everybody out. */
const refusedFolders = ['/var/lib/prose-ship', '/usr/lib/prose-ship', '/etc/prose-ship', '/proc', '/sys', '/dev', '/run', '/tmp', '/boot', '/etc/ssh', '/etc/sudoers.d', '/etc/pam.d', '/root/.ssh'];
const refusedFiles = ['passwd', 'passwd-', 'shadow', 'shadow-', 'group', 'group-', 'gshadow', 'gshadow-', 'subuid', 'subgid', 'sudoers', 'fstab', 'machine-id'].map((name) => `/etc/${name}`);
const ownUnits = /^\/(?:etc|usr\/lib|lib)\/systemd\/system\/prose-ship(?:-[a-z-]+)?\.service(?:$|\.d\/)/;
const authorizedKeys = /^\/home\/[^/]+\/\.ssh\//;

/** Why a recipe may not put a file there, or undefined. */
export function judgeHostPath(value: string): Refusal | undefined {
  const code = 'E_BAD_PATH';
  if (!value.startsWith('/')) return { code, message: 'is not an absolute path', remedy: 'Begin it with a slash: /etc/nginx/sites-enabled/chat.conf.' };
  if (!hostPathPattern.test(value)) {
    return { code, message: 'is not a plain path', remedy: 'Without `.`, `..`, double slashes, a slash at the end, spaces or special characters.' };
  }
  if (value.length > 1000) return { code, message: 'is too long', remedy: 'At most 1000 characters.' };
  const within = refusedFolders.find((folder) => value === folder || value.startsWith(`${folder}/`));
  const refused = within ?? (refusedFiles.includes(value) || ownUnits.test(value) || authorizedKeys.test(value) ? value : undefined);
  return refused === undefined ? undefined : { code, message: 'is not for recipes to write', remedy: `Choose another path: what is ${within === undefined ? 'in this file' : `below ${within}`} belongs to the system or to prose-ship itself.` };
}
