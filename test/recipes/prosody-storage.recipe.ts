import { writeFile } from 'node:fs/promises';
import test from 'ava';
import { Laptop, type Login } from '../support/chat/laptop.ts';
import { NativeChat } from '../support/chat/native-chat.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/**
 * The recipe prosody with each storage that needs no server: accounts and archives over an update, and passwords that nobody can read
 * in them. PostgreSQL is with prosody-public.recipe.ts. Needs what the pipeline's tests need, and slixmpp of Debian.
 */
const domain = 'example.org';
const rooms = 'groups.example.org';
const people: readonly Login[] = [
  { jid: `anna@${domain}`, password: 'first secret' },
  { jid: `bert@${domain}`, password: 'second secret' },
];
/** How the volume shows that it was used. */
const storages = {
  internal: 'find /var/lib/prosody/example%2eorg/accounts -name anna.dat',
  sqlite: 'find /var/lib/prosody -maxdepth 1 -name prosody.sqlite -size +8k',
};

for (const [storage, find] of Object.entries(storages)) {
  test.serial(`storage ${storage}: people chat, an update keeps everything, and passwords are hashed`, async (t) => {
    t.timeout(20 * 60_000);
    const directory = await temporaryDirectory(`prosody-${storage}`);
    const chat = await NativeChat.create(directory, storage);
    try {
      const site = { profile: 'basic', domain, variables: { federation: false, storage } };
      await chat.update('1.0.0', site);
      await chat.addAccounts(people);
      // Those of the image itself: it signs them itself, so they are their own authority.
      const certificate = `${directory}/server.crt`;
      await chat.inside(`docker exec chat-server-1 cat /var/lib/prosody/certs/${domain}.crt`).then((text) => writeFile(certificate, text));
      const laptop = await Laptop.create(directory, { address: chat.host.address, names: [domain], authorityFile: certificate });
      const text = `kept in ${storage}`;
      t.deepEqual(await laptop.xmpp('message', { people, text }), { from: people[0]!.jid, body: text, archives: [[text], [text]] });
      const room = `garden@${rooms}`;
      t.like(await laptop.xmpp('room', { people, room, text }), { archive: [text] });

      const stored = await chat.inside(`docker exec chat-server-1 ${find}`);
      t.not(stored, '');
      const all = await chat.inside('docker exec chat-server-1 sh -c "find /var/lib/prosody -type f -exec cat {} +" | grep -a .');
      t.regex(all, /stored_key/);
      for (const { password } of people) t.false(all.includes(password));

      await chat.update('1.0.1', { ...site, variables: { ...site.variables, archive_days: 30 } });
      t.deepEqual(await laptop.xmpp('archive', { people: [people[1]!] }), { bodies: [text] });
      t.deepEqual(await laptop.xmpp('archive', { people: [people[0]!], of: room }), { bodies: [text] });
      t.regex(await chat.inside('docker exec chat-server-1 prosodyctl check config'), /All checks passed/);
    } finally {
      await chat.host.destroy();
    }
  });
}

test.serial('a database that does not answer fails the gate, although Prosody starts; the release before goes on', async (t) => {
  t.timeout(20 * 60_000);
  const directory = await temporaryDirectory('prosody-database');
  const chat = await NativeChat.create(directory, 'database');
  try {
    const site = { profile: 'basic', domain, variables: { federation: false } };
    await chat.update('1.0.0', site);
    await chat.addAccounts(people);
    const password = `${directory}/password`;
    await writeFile(password, 'nobody asks for it\n', { mode: 0o600 });
    const release = await chat.release('1.0.1', {
      ...site,
      variables: { ...site.variables, storage: 'postgresql', database_host: '127.0.0.1' },
      secrets: { database_password: { file: password } },
    });
    const { exitCode, stderr } = await chat.ship(['update', 'database', '--release', release]);
    t.is(exitCode, 4, stderr);
    t.regex(stderr, /did not pass.*E_ROLLED_BACK/);
    t.regex(stderr, /prosodyctl shell user list example\.org/);
    t.regex((await chat.ship(['account', 'list', 'database', domain])).stdout, /anna@example\.org/);
  } finally {
    await chat.host.destroy();
  }
});
