// A user's machine: an empty directory, a PATH with what is named and nothing else, no network.
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../attack/report.mjs';

/** Of this run of `npm`: `npm publish --dry-run` would have those below be dry as well. */
const OURS = /^(npm_|MEMMAP_|LD_PRELOAD$|NODE_OPTIONS$|NODE_PATH$|LIBC$|CC$|CXX$|PREBUILD)/;
const clean = () =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !OURS.test(name)));

/** Runs a command that must not fail for the rest to make sense; returns what it printed. */
export function must(command, args, options = {}) {
  const r = spawnSync(command, args, { cwd: root, env: clean(), encoding: 'utf8', ...options });
  if (r.status === 0) return r.stdout;
  throw new Error(
    `${command} ${args.join(' ')} failed (${r.signal ?? r.status})\n${r.stdout ?? ''}${r.stderr ?? r.error?.message ?? ''}`,
  );
}

/** An environment whose PATH, `folder`, has this Node and the shell that npm starts scripts with. */
export function environment(folder, node) {
  mkdirSync(folder);
  symlinkSync(node, join(folder, 'node'));
  symlinkSync('/bin/sh', join(folder, 'sh'));
  return { ...clean(), PATH: folder };
}

const COMPILERS = ['g++', 'gcc', 'cc', 'c++', 'clang', 'make', 'python3'];
export const compilersOn = (env) =>
  COMPILERS.filter((c) => spawnSync(c, ['--version'], { env }).error?.code !== 'ENOENT');

/** An environment that can compile. */
export const withCompilers = () => ({ ...clean(), PATH: process.env.PATH });

/** Writes files, by their names. */
export function lay(folder, files) {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    writeFileSync(join(folder, name), text);
  }
}

/** `npm install` of the tarballs into a new project; returns what npm told. */
export function install(project, tarballs, { env, args = [] }) {
  lay(project, { 'package.json': { private: true, type: 'module' } });
  const npm =
    process.env.npm_execpath ?? must('sh', ['-c', 'readlink -f "$(command -v npm)"']).trim();
  const all = [npm, 'install', ...tarballs, '--offline', '--no-audit', '--no-fund', ...args];
  const r = spawnSync(process.execPath, all, { cwd: project, env, encoding: 'utf8' });
  return { code: r.status, output: `${r.stdout}${r.stderr}` };
}
