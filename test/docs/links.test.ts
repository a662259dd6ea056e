import { lstat, readFile, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';

const repository = path.resolve(import.meta.dirname, '../..');

/** Written by a run of `npm run test:faults`, so named before it is there. */
const pagesOfRuns = ['docs/internals/faults.md'];

async function textFiles(): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  const ofOthers = ['.git', 'build', 'node_modules'];
  for (const top of (await readdir(repository)).filter((name) => !ofOthers.includes(name))) {
    const folder = path.join(repository, top);
    const below = (await stat(folder)).isDirectory() ? await readdir(folder, { recursive: true }) : [''];
    for (const name of below.map((one) => path.posix.join(top, one))) {
      const file = path.join(repository, name);
      const text = (await lstat(file)).isFile() ? await readFile(file, 'utf8') : '\0';
      if (!text.includes('\0')) texts.set(name, text);
    }
  }
  return texts;
}

/** As GitHub and GitLab make them: lower case, words joined by dashes, nothing else. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** What `name` links to or names that is not among the `texts`. */
function brokenIn(name: string, texts: ReadonlyMap<string, string>): string[] {
  const text = texts.get(name)!;
  const isThere = (file: string): boolean => [...texts.keys()].some((one) => one === file || one.startsWith(`${file}/`));
  const broken: string[] = [];
  if (name.endsWith('.md')) {
    for (const [, link = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? name : path.posix.join(path.posix.dirname(name), file);
      const headings = [...(texts.get(target) ?? '').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));
      if (!isThere(target) || (anchor !== undefined && !headings.includes(anchor))) broken.push(link);
    }
  }
  for (const [page] of text.matchAll(/(?<![\w/.-])docs\/[\w/.-]+\.(?:md|ts)\b/g)) {
    if (!isThere(page) && !pagesOfRuns.includes(page)) broken.push(page);
  }
  return broken;
}

test('every link of a page leads somewhere, and every page that a file names is there', async (t) => {
  const texts = await textFiles();
  t.true([...texts.keys()].filter((name) => name.startsWith('docs/')).length > 20);
  const self = path.relative(repository, import.meta.filename);
  const broken = [...texts.keys()].filter((name) => name !== self).flatMap((name) => brokenIn(name, texts).map((link) => `${name}: ${link}`));
  t.deepEqual(broken, []);
});

test('what leads nowhere is noticed', (t) => {
  const page = '[a](b.md) [b](../c.ts#x) [c](d.md#two-words) [d](d.md#three) [e](https://example.org/f.md) [f](#here)\n# Here\n';
  const texts = new Map([
    ['docs/room/a.md', page],
    ['docs/room/d.md', '## Two words\n'],
    ['src/a.ts', '// see docs/room/d.md, docs/d.md and https://example.org/docs/e.md'],
  ]);
  t.deepEqual(brokenIn('docs/room/a.md', texts), ['b.md', '../c.ts#x', 'd.md#three']);
  t.deepEqual(brokenIn('src/a.ts', texts), ['docs/d.md']);
});
