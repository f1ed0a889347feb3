// What npm does when it installs the package: nothing where a prebuild fits, and the build from source where none does.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { compilersOn, environment, install, withCompilers } from './machine.mjs';

/** As node-gyp-build does it: by this file, here in a world where it is there. */
const ON_ALPINE = `const fs = require('fs');
const { existsSync } = fs;
fs.existsSync = (path) => path === '/etc/alpine-release' || existsSync(path);
`;

/** What would be loaded, relative to the package; or why nothing. */
function chosen(installed, env, before = '') {
  const code = `${before}
try { console.log(require('node-gyp-build').resolve('.')); } catch (error) { console.log(error.message); }`;
  const options = { cwd: installed, env, encoding: 'utf8' };
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', code], options);
  return stdout.split('\n')[0].replace(`${installed}/`, '') || stderr;
}

/** Into temp/project, without a compiler; returns the environment that it was done in. */
export function checkInstalling(attack, temp, tarballs) {
  const env = environment(join(temp, 'bin'), process.execPath);
  const on = compilersOn(env);
  attack.claim('no compiler is on the PATH', on.length === 0, on.join(', '));
  // The add-on is found as well where no install script ran.
  const project = join(temp, 'project');
  const ways = [
    [join(temp, 'with-scripts'), '--loglevel=info', /run memmap@\S+ install \{ code: 0,/],
    [project, '--ignore-scripts', /added/],
  ];
  for (const [folder, arg, told] of ways) {
    mkdirSync(folder);
    const { code, output } = install(folder, tarballs, { env, args: [arg] });
    const compiled = existsSync(join(folder, 'node_modules/memmap/build'));
    const holds = code === 0 && !compiled && told.test(output);
    const title = `npm install ${arg} installs, and compiles nothing`;
    attack.claim(title, holds, holds ? '' : `code ${code}, build/ ${compiled}\n${output}`);
  }

  const installed = join(project, 'node_modules/memmap');
  const choices = [
    ['glibc', '', {}, /^prebuilds\/linux-x64\/memmap\.glibc\.node$/],
    [
      'glibc, 64-bit ARM',
      '',
      { npm_config_arch: 'arm64' },
      /^prebuilds\/linux-arm64\/memmap\.glibc\.node$/,
    ],
    ['musl', '', { LIBC: 'musl' }, /^No native build was found.* libc=musl/],
    ['Alpine', ON_ALPINE, {}, /^No native build was found.* libc=musl/],
    [
      'another machine',
      '',
      { npm_config_arch: 'riscv64' },
      /^No native build was found.* arch=riscv64/,
    ],
  ];
  for (const [name, before, more, wanted] of choices) {
    const found = chosen(installed, { ...env, ...more }, before);
    attack.claim(`the right prebuild on ${name}, or none`, wanted.test(found), found);
  }
  return { env, project, installed };
}

/** As on a system with musl: no prebuild fits, and npm compiles what the tarball carries. */
export function checkFromSource(attack, temp, tarballs) {
  const project = join(temp, 'from-source');
  mkdirSync(project);
  // Not optimized: it is to be seen that everything is there.
  const env = { ...withCompilers(), LIBC: 'musl', JOBS: 'max', CXXFLAGS: '-O0' };
  const { code, output } = install(project, tarballs, { env });
  const found = chosen(join(project, 'node_modules/memmap'), env);
  const holds = code === 0 && found === 'build/Release/memmap.node';
  attack.claim('where none fits npm compiles the package', holds, holds ? found : output);
}
