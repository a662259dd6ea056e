import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

/**
 * Imports point downwards only (docs/internals/architecture.md). Each folder of src/ lists what it may import; files directly in
 * src/ (errors, events, secret, context, tasks) may be imported by everyone.
 */
const mayImport = {
  oci: [],
  host: ['oci'],
  site: ['oci', 'host'],
  build: ['site', 'oci', 'host'],
  release: ['site', 'oci', 'host'],
  device: ['release', 'oci', 'host'],
  bake: ['device', 'build', 'release', 'site', 'oci', 'host'],
  bundle: ['device', 'bake', 'build', 'release', 'site', 'oci', 'host'],
  ship: ['device', 'release', 'site', 'oci', 'host'],
  doctor: ['oci', 'host'],
  cli: ['doctor', 'ship', 'bundle', 'bake', 'device', 'release', 'build', 'site', 'oci', 'host'],
};
const folders = Object.keys(mayImport);

/** Only host/ talks to the outside world. */
const worldly = ['execa', 'ssh2', 'node-ssh', 'ssh2-sftp-client', 'undici', 'node:child_process', 'node:net', 'node:http', 'node:https'];

const directions = folders.map((folder) => {
  const forbidden = folders.filter((other) => other !== folder && !mayImport[folder].includes(other));
  return {
    files: [`src/${folder}/**/*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: folder === 'host' ? [] : worldly.map((name) => ({ name, message: 'Only src/host talks to the outside world.' })),
          patterns: [
            { regex: `^(\\.\\./)+(${forbidden.join('|')})/`, message: `src/${folder} may import: ${mayImport[folder].join(', ') || 'nothing but itself'} and the files of src/.` },
            { regex: '^(\\.\\./)+index\\.ts$', message: 'index.ts is for other programs.' },
          ],
        },
      ],
    },
  };
});

export default tseslint.config(
  { ignores: ['build/', 'node_modules/', 'schema/*.json', 'test/stand-ins/'] },
  eslint.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ['ava.config.js', 'cards.config.js', 'faults.config.js', 'recipes.config.js', 'eslint.config.js', 'src/cli/main.js'] }, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  ...directions,
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'docs/**/*.ts', 'schema/**/*.ts'],
    rules: { 'no-console': 'off', '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  { files: ['**/*.js'], ...tseslint.configs.disableTypeChecked, languageOptions: { globals: { process: 'readonly' } } },
);
