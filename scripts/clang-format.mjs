// clang-format over every C and C++ file in native/: --check (fails on a difference) or --write.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const mode = process.argv[2];
if (mode !== '--check' && mode !== '--write') throw new Error('--check or --write');

const files = readdirSync(join(root, 'native'), { recursive: true })
  .filter((f) => /\.(h|cc|c)$/.test(f))
  .map((f) => join('native', f))
  .sort();
if (files.length === 0) throw new Error('no file in native/');

const cli = join(
  dirname(createRequire(import.meta.url).resolve('clang-format-node/package.json')),
  'build/cli.js',
);
const flags = mode === '--check' ? ['--dry-run', '--Werror'] : ['-i'];
const { status } = spawnSync(process.execPath, [cli, ...flags, ...files], {
  cwd: root,
  stdio: 'inherit',
});
if (status === 0) console.log(`clang-format: ${files.length} files, no problem`);
process.exit(status ?? 1);
