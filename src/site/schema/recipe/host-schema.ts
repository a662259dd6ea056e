import { z } from 'zod';
import { text } from '../words.ts';
import { when } from './condition.ts';

const actionPattern = /^[a-z0-9][a-z0-9_-]{0,62}$/;

export const actionName = text(
  (value) =>
    actionPattern.test(value)
      ? undefined
      : { code: 'E_BAD_NAME', message: 'is not the name of an action', remedy: 'Use lower-case letters, digits, hyphens and underscores, beginning with a letter or digit.' },
  actionPattern,
);

export const fileMode = text(
  (value) => (/^0[0-7]{3}$/.test(value) ? undefined : { code: 'E_BAD_MODE', message: 'is not a file mode', remedy: "Octal in quotes: '0644'." }),
  /^0[0-7]{3}$/,
);

export const fileOwner = text(
  (value) =>
    /^\d{1,6}:\d{1,6}$/.test(value)
      ? undefined
      : { code: 'E_BAD_OWNER', message: 'is not UID:GID', remedy: "Numbers as the container sees them, in quotes: '101:104'. Names differ between host and image." },
  /^\d{1,6}:\d{1,6}$/,
);

const command = z.array(z.string().min(1)).min(1);

const hostFile = z
  .strictObject({
    path: z.string().min(1).describe('Absolute path on the host; may be a template.'),
    template: z.string().min(1).describe('Path of the template, relative to this file; or below `shared/` of prose-ship\'s recipes.'),
    mode: fileMode.default('0644').describe('Permissions, octal and in quotes.'),
    owner: fileOwner.default('0:0').describe('Owner as UID:GID, in quotes.'),
    action: actionName.optional().describe('The action that follows when the file changed, came or went.'),
    when: when.optional(),
  })
  .describe('A file outside containers.');

const action = z
  .strictObject({
    name: actionName.describe('Name of the action, for `action` of the files.'),
    check: command.optional().describe('Program and arguments that must succeed before any action is applied: `[nginx, -t]`. Else the files go back and the update fails. May hold templates.'),
    apply: command.describe('Program and arguments that make the files count: `[systemctl, reload, nginx]`. Runs as root without a shell; may hold templates.'),
    timeoutSeconds: z.int().min(1).max(600).default(60).describe('How long each of the two may take, in seconds.'),
  })
  .describe('What follows when files have changed.');

const check = z
  .strictObject({
    name: actionName.describe('Name of the check, as `status` shows it.'),
    command: command.describe('Program and arguments: `[/usr/local/sbin/chat-certificates, check]`. Ends with 0 where all is well, else says on each line one thing that is not. Runs as root without a shell, for 30 seconds at most; may hold templates.'),
    when: when.optional(),
  })
  .describe('What `status` asks the host besides containers and files.');

/** `host` of a recipe. */
export const recipeHost = z
  .strictObject({
    files: z.array(hostFile).default([]).describe('Files on the host itself, for programs that run outside containers.'),
    actions: z.array(action).default([]).describe('What follows when they changed, in the order in which it runs.'),
    checks: z.array(check).default([]).describe('What `status` asks, and what warns at the end of an update; none of them fails it.'),
  })
  .describe('Files on the host itself, outside containers: virtual hosts of nginx, timers of systemd, hooks of certbot.');
