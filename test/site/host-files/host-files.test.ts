import test from 'ava';
import { renderDeployment } from '../../../src/site/render.ts';
import { loadParts, placeIn, problemsOf, type RecipeParts } from '../../support/site/recipe-site.ts';

const parts: RecipeParts = {
  variables: '  web: {type: boolean, description: Whether there are pages., default: true}\n  token: {type: secret, description: Token of the DNS provider., generate: true}\n',
  top: `files:
  etc-own-plain.conf: {template: plain}
host:
  files:
    - {path: '/etc/nginx/sites-enabled/{{ site.name }}.conf', template: nginx.conf, action: nginx, when: web}
    - {path: /etc/own/plain.conf, template: plain, mode: '0600', owner: '0:33'}
    - {path: /etc/systemd/system/ddns@.timer, template: timer, action: timers}
  actions:
    - {name: nginx, check: [nginx, -t], apply: [systemctl, reload-or-restart, nginx]}
    - {name: timers, apply: [systemctl, restart, 'ddns@{{ site.domain }}.timer'], timeoutSeconds: 20}
  checks:
    - {name: pages, command: [curl, 'http://{{ site.domain }}/'], when: web}
    - {name: clock, command: [timedatectl]}
`,
  files: { plain: 'x\n', 'nginx.conf': 'server_name {{ site.domain }}; # costs $1\n', timer: "Token={{ 'token' | secret_file }}\n" },
};
const references = new Map([['server', 'example/server:2.1.0-0123456789ab']]);

test('files of the host are rendered under names of their own', async (t) => {
  const deployment = await loadParts(t, parts);
  t.deepEqual(deployment.recipe.host?.actions, [
    { name: 'nginx', check: ['nginx', '-t'], apply: ['systemctl', 'reload-or-restart', 'nginx'], timeoutSeconds: 60 },
    { name: 'timers', apply: ['systemctl', 'restart', 'ddns@example.org.timer'], timeoutSeconds: 20 },
  ]);
  t.deepEqual(deployment.recipe.host?.checks, [{ name: 'pages', command: ['curl', 'http://example.org/'] }, { name: 'clock', command: ['timedatectl'] }]);
  const { hostFiles, files, secrets, generatedSecrets } = await renderDeployment(deployment, references);
  t.deepEqual(
    hostFiles.map(({ name, path, mode, uid, gid, action, content }) => ({ name, path, mode, uid, gid, action, content: content.toString() })),
    [
      { name: 'etc-nginx-sites-enabled-demo.conf', path: '/etc/nginx/sites-enabled/demo.conf', mode: 0o644, uid: 0, gid: 0, action: 'nginx', content: 'server_name example.org; # costs $1\n' },
      { name: hostFiles[1]!.name, path: '/etc/own/plain.conf', mode: 0o600, uid: 0, gid: 33, action: undefined, content: 'x\n' },
      { name: 'etc-systemd-system-ddns_.timer', path: '/etc/systemd/system/ddns@.timer', mode: 0o644, uid: 0, gid: 0, action: 'timers', content: 'Token=/var/lib/prose-ship/secrets/token\n' },
    ],
  );
  t.regex(hostFiles[1]!.name, /^etc-own-plain\.conf-[0-9a-f]{8}$/, 'the plain name is taken by a file of the containers');
  t.deepEqual(files.map(({ name }) => name), ['etc-own-plain.conf']);
  for (const { hash } of hostFiles) t.regex(hash, /^[0-9a-f]{12}$/);
  t.deepEqual([secrets, generatedSecrets], [['token'], ['token']]);
});

test('a file that is not wanted is not there, its action is', async (t) => {
  const { recipe } = await loadParts(t, { ...parts, site: 'variables: {web: false}\n' });
  t.deepEqual(recipe.host?.files.map(({ path }) => path), ['/etc/own/plain.conf', '/etc/systemd/system/ddns@.timer']);
  t.deepEqual(recipe.host?.checks?.map(({ name }) => name), ['clock']);
  t.deepEqual(recipe.host?.actions.map(({ name }) => name), ['nginx', 'timers'], 'when the file goes, nginx must hear of it');
});

test('templates that recipes have in common are taken by name; one of the recipe\'s own goes before', async (t) => {
  const own: RecipeParts = {
    top: `files: {deploy-hook: {template: shared/deploy-hook.sh.liquid}}
host:
  files:
    - {path: /etc/own/hook, template: shared/deploy-hook.sh.liquid}
    - {path: /etc/own/other, template: shared/other}
`,
    files: { 'shared/other': 'own\n' },
  };
  const render = async (more: RecipeParts['files']) => {
    const { files, hostFiles } = await renderDeployment(await loadParts(t, { ...own, files: { ...own.files, ...more } }), references);
    return [...files, ...hostFiles].map(({ content }) => content.toString());
  };
  const [mounted = '', laid = '', other] = await render({});
  t.regex(laid, /^exec \/usr\/local\/sbin\/demo-certificates deploy /m);
  t.deepEqual([mounted, other], [laid, 'own\n']);
  t.deepEqual(await render({ 'shared/deploy-hook.sh.liquid': 'my own\n' }), ['my own\n', 'my own\n', 'own\n']);
});

const mistakes: Record<string, { from: string; to: string; code: string; at: string; remedy: RegExp; message?: RegExp }> = {
  'a relative path': { from: '/etc/own/plain.conf', to: 'etc/own/plain.conf', code: 'E_BAD_PATH', at: 'etc/own/plain.conf', remedy: /Begin it with a slash/ },
  'a path that climbs': { from: '/etc/own/plain.conf', to: '/etc/own/../passwd', code: 'E_BAD_PATH', at: '/etc/own/..', remedy: /Without `\.`/ },
  'a path with a space': { from: '/etc/own/plain.conf', to: '/etc/own/a b', code: 'E_BAD_PATH', at: '/etc/own/a b', remedy: /spaces/ },
  'a folder': { from: '/etc/own/plain.conf', to: '/etc/own/', code: 'E_BAD_PATH', at: '/etc/own/', remedy: /slash at the end/ },
  'the list of users': { from: '/etc/own/plain.conf', to: '/etc/passwd', code: 'E_BAD_PATH', at: '/etc/passwd', remedy: /belongs to the system/, message: /'\/etc\/passwd' is not for recipes to write/ },
  'what is ours': { from: '/etc/own/plain.conf', to: '/var/lib/prose-ship/x', code: 'E_BAD_PATH', at: '/var/lib/prose-ship/x', remedy: /below \/var\/lib\/prose-ship/ },
  'our own unit': { from: '/etc/own/plain.conf', to: '/etc/systemd/system/prose-ship.service', code: 'E_BAD_PATH', at: '/etc/systemd/system/prose-ship.service', remedy: /belongs/ },
  'the keys of a login': { from: '/etc/own/plain.conf', to: '/home/pi/.ssh/authorized_keys', code: 'E_BAD_PATH', at: '/home/pi', remedy: /belongs/ },
  'a path twice': { from: '/etc/own/plain.conf', to: '/etc/systemd/system/ddns@.timer', code: 'E_DUPLICATE', at: '/etc/systemd/system/ddns@.timer, template: timer', remedy: /Remove one/ },
  'a file below a file': { from: '/etc/own/plain.conf', to: '/etc/systemd', code: 'E_BAD_PATH', at: '/etc/systemd/system/ddns@.timer', remedy: /Rename/, message: /cannot both be files/ },
  'a check twice': { from: 'name: clock', to: 'name: pages', code: 'E_DUPLICATE', at: 'pages, command: [timedatectl]', remedy: /Remove one/ },
  'a missing template': { from: 'template: timer', to: 'template: timr', code: 'E_MISSING_FILE', at: 'timr', remedy: /relative to recipe\.yaml/ },
  'a missing shared template': { from: 'template: timer', to: 'template: shared/timer', code: 'E_MISSING_FILE', at: 'shared/timer', remedy: /`shared\/` may also be one of prose-ship's own/ },
  'an unknown action': { from: 'action: timers', to: 'action: timer', code: 'E_UNKNOWN_ACTION', at: 'timer}\n  actions', remedy: /Did you mean 'timers'\?/ },
  'an action twice': { from: '{name: timers, apply: [', to: '{name: nginx, apply: [', code: 'E_DUPLICATE', at: 'nginx, apply', remedy: /Remove one/ },
  'an action that nothing needs': { from: ', action: timers', to: '', code: 'E_UNUSED_ACTION', at: 'timers, apply', remedy: /Name it as `action`/ },
  'a word that becomes empty': { from: "'ddns@{{ site.domain }}.timer'", to: "'{% if web == 1 %}x{% endif %}'", code: 'E_BAD_VALUE', at: "'{% if web", remedy: /one line of text/, message: /renders to nothing/ },
  'a command as one text': { from: '[nginx, -t]', to: 'nginx -t', code: 'E_WRONG_TYPE', at: 'nginx -t', remedy: /Program and arguments/ },
};
for (const [title, { from, to, code, at, remedy, message }] of Object.entries(mistakes)) {
  test(`refuses ${title}`, async (t) => {
    t.true(parts.top?.includes(from), 'the recipe of this test has changed');
    const spoilt = { ...parts, top: (parts.top ?? '').replace(from, to) };
    const problems = await problemsOf(t, spoilt);
    const found = problems.find((problem) => problem.code === code);
    t.is(found?.at, placeIn(spoilt, 'own/recipe.yaml', at), JSON.stringify(problems));
    t.regex(found?.remedy ?? '', remedy);
    if (message) t.regex(found?.message ?? '', message);
  });
}
