import { z } from 'zod';
import { text } from './words.ts';

const commitPattern = /^[0-9a-f]{40}$/;
const commit = text(
  (value) =>
    commitPattern.test(value)
      ? undefined
      : {
          code: 'E_BAD_COMMIT',
          message: 'is not a full commit',
          remedy: 'Give all 40 hex digits, because branches, tags and short commits can come to mean something else: `git ls-remote URL REF` prints them.',
        },
  commitPattern,
);

const sha256Pattern = /^[0-9a-f]{64}$/;
const sha256 = text(
  (value) =>
    sha256Pattern.test(value)
      ? undefined
      : { code: 'E_BAD_DIGEST', message: 'is not a sha256', remedy: 'Give the 64 lower-case hex digits that `sha256sum FILE` prints.' },
  sha256Pattern,
);

const gitUrl = text((value) => judgeUrl(value, /^(?:https?|ssh|git|file):\/\/\S+$|^[\w.-]+@[\w.-]+:\S+$/, 'a Git URL', 'https://git.example.org/team/server.git'));
const archiveUrl = text((value) => judgeUrl(value, /^https?:\/\/\S+$/, 'a URL', 'https://files.example.org/server-1.0.tar.gz'));

const subdirectory = text((value) =>
  /^(?!\/)[^\0]+$/.test(value) && !value.split('/').includes('..')
    ? undefined
    : { code: 'E_BAD_PATH', message: 'leaves the repository', remedy: 'A folder inside the repository, without `..`.' },
);

function judgeUrl(value: string, pattern: RegExp, what: string, example: string) {
  if (/^\w+:\/\/[^/@]*:[^/@]*@/.test(value)) {
    return {
      code: 'E_SECRET_IN_PLAIN_TEXT',
      message: 'holds a password',
      remedy: 'Take it out of the URL; git asks its credential helper or the SSH agent.',
      hidden: true,
    } as const;
  }
  return pattern.test(value)
    ? undefined
    : ({ code: 'E_BAD_URL', message: `is not ${what}`, remedy: `For example ${example}` } as const);
}

/** Where a component's build context comes from; paths are relative to the file they stand in. */
export const source = z
  .union([
    z.string().min(1).describe('A folder.'),
    z
      .strictObject({
        git: z
          .strictObject({
            url: gitUrl.describe('Repository; what `git fetch` takes.'),
            commit: commit.describe('Commit to build: all 40 hex digits.'),
            subdirectory: subdirectory.optional().describe('Folder inside the repository; default is all of it.'),
          })
          .describe('A Git repository at one commit.'),
      })
      .describe('A Git repository at one commit.'),
    z
      .strictObject({
        url: archiveUrl.describe('Tar archive, compressed or not.'),
        sha256: sha256.describe('Its sha256: 64 hex digits.'),
      })
      .describe('An archive with its checksum.'),
  ])
  .describe('Build context: a folder, `{git: {url, commit, subdirectory}}` or `{url, sha256}`.');
export type SourceInput = z.output<typeof source>;

export const buildArgs = z.record(
  text(
    (value) =>
      /^[A-Za-z_][A-Za-z0-9_]*$/.test(value)
        ? undefined
        : { code: 'E_BAD_NAME', message: 'is not the name of a build argument', remedy: 'Name it as the ARG of the Dockerfile does.' },
  ),
  z.string(),
);
