// Compiles the add-on for another machine or C library, with the flags of binding.gyp: node-gyp knows this one only.
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { inParallel } from './attack/conformance.mjs';

const root = resolve(import.meta.dirname, '..');

export const ARM64 = { compiler: 'aarch64-linux-gnu-g++', strip: 'aarch64-linux-gnu-strip' };

export const there = (command) => spawnSync(command, ['--version']).status === 0;

export function run(command, args) {
  const r = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (r.status !== 0) throw new Error(`${command}: ${r.stderr || r.error?.message}`);
  return r.stdout;
}

/** The one target of binding.gyp, which is a literal of Python. */
function target() {
  const text =
    'import ast,json,sys; print(json.dumps(ast.literal_eval(open("binding.gyp").read())))';
  return JSON.parse(run('python3', ['-c', text])).targets[0];
}

/** Node's headers, which are the same for every machine: the running Node's, or those that npm is set to. */
export function nodeHeaders() {
  const nodedir = spawnSync('npm', ['config', 'get', 'nodedir'], { encoding: 'utf8' }).stdout;
  const places = [dirname(dirname(process.execPath)), nodedir?.trim() ?? ''];
  const found = places
    .map((place) => join(place, 'include/node'))
    .find((folder) => existsSync(join(folder, 'node_api.h')));
  if (found === undefined) throw new Error(`no node_api.h under ${places.join(', ')}`);
  return found;
}

/**
 * Into `folder`/build/Release/memmap.node; what was compiled since the sources last changed is kept.
 * `flags` go to the compiler, before those of binding.gyp, and what `link` makes of
 * the objects to the linker, after them.
 */
export async function crossBuild({ compiler, folder, flags = [], link = () => [] }) {
  const { defines, cflags, cflags_cc, ldflags } = target();
  const objects = join(folder, 'objects');
  mkdirSync(objects, { recursive: true });
  mkdirSync(join(folder, 'build/Release'), { recursive: true });
  const list = run('git', ['ls-files', 'native/addon.cc', 'native/core', 'native/binding']);
  const sources = list.split('\n').filter((file) => file.endsWith('.cc'));
  const inputs = run('git', ['ls-files', 'native', 'binding.gyp']).trim().split('\n');
  const newest = Math.max(...inputs.map((file) => statSync(join(root, file)).mtimeMs));
  const all = [
    ...flags,
    ...[...cflags, ...cflags_cc, '-fPIC', '-pthread', '-Inative', '-Inative/include'],
    ...defines.map((define) => `-D${define}`),
    ...[nodeHeaders(), 'node_modules/node-addon-api'].flatMap((place) => ['-isystem', place]),
  ];
  const made = await inParallel(sources, cpus().length, async (source) => {
    const object = join(objects, source.replaceAll('/', '_').replace(/cc$/, 'o'));
    if (existsSync(object) && statSync(object).mtimeMs > newest) return object;
    const child = spawn(compiler, [...all, '-c', source, '-o', object], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const code = await new Promise((resolve) => child.once('exit', resolve));
    if (code !== 0) throw new Error(`${source} does not compile`);
    return object;
  });
  const binary = join(folder, 'build/Release/memmap.node');
  run(compiler, ['-shared', '-pthread', ...ldflags, ...made, ...link(made), '-o', binary]);
  return { binary, sources: sources.length };
}

/** In out/arm64, where scripts/attack/arm64.mjs tries it and scripts/prebuild-arm64.mjs takes it from. */
export const buildArm64 = () =>
  crossBuild({ compiler: ARM64.compiler, folder: join(root, 'out/arm64') });

/** As the root of the package, with the add-on that was built in `folder`. */
export function mirror(folder) {
  for (const path of ['package.json', 'lib', 'out/test']) {
    rmSync(join(folder, path), { recursive: true, force: true });
    cpSync(join(root, path), join(folder, path), { recursive: true });
  }
  const modules = join(folder, 'node_modules');
  if (!existsSync(modules)) symlinkSync(join(root, 'node_modules'), modules);
}
