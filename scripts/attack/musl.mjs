// The add-on on musl, where no prebuild fits and it is built from source: compiled with the flags of binding.gyp
// against musl's headers, and the features of test/conformance/ run with it by a Bun for musl.
//
//   node scripts/attack/musl.mjs [--short | --long] [--write]
//
// Needs musl-dev and libstdc++-N-pic (Debian, N the version of g++), and `npm run fetch:runtimes -- musl/bun`.
// Debian has no C++ library for musl. Here it is the headers of g++ with what they say of glibc taken back, and, out
// of Debian's kit for subsets of the library, what Bun and the add-on ask of it; on Alpine both come from its g++.
// No Node for musl is to be had from the registry.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crossBuild, mirror, nodeHeaders, run } from '../cross-build.mjs';
import { features, inParallel, runFeature } from './conformance.mjs';
import { RUNTIMES_MD, table, wanted, write } from './generated.mjs';
import { begin, root } from './report.mjs';
import { expected } from './runtime-differences.mjs';

const COMPILER = 'gcc';
const MUSL = '/usr/lib/x86_64-linux-musl';
const HEADERS = '/usr/include/x86_64-linux-musl';
const bun = join(root, '.runtimes/musl/bun/bin/bun');
const tree = join(root, 'out/musl');
const library = join(tree, 'runtime/libstdc++.so.6');
const SPECS = [`-specs=${MUSL}/musl-gcc.specs`];

/** What the headers of g++ take for granted, and musl 1.2.3 has not. */
const CONFIG = `#include_next <bits/c++config.h>
#undef _GLIBCXX_USE_PTHREAD_COND_CLOCKWAIT
#undef _GLIBCXX_USE_PTHREAD_MUTEX_CLOCKLOCK
`;
/** What the library itself asks of glibc. No exception is thrown here, so that nothing is unwound. */
const SHIM = `#include <stdlib.h>
char __libc_single_threaded = 0;
int _dl_find_object(void *address, void *result) { (void)address; (void)result; return -1; }
unsigned arc4random(void) { abort(); }
`;
const attack = begin('musl');
const nameOf = (file) => run('g++', [`-print-file-name=${file}`]).trim();
const lines = (text) => text.trim().split('\n');
const part = (command, args, pattern) =>
  lines(run(command, args))
    .map((line) => pattern.exec(line)?.[1])
    .filter((name) => name !== undefined);
const undefinedIn = (...files) => part('nm', ['-u', ...files], / [Uwv] ([^@\s]+)/);
const asked = (file) => part('nm', ['-D', '-u', file], / U ([^@\s]+)/);
const definedIn = (...args) => part('nm', ['--defined-only', ...args], / [A-Za-z] ([^@\s]+)/);

function includes() {
  const before = join(tree, 'headers');
  const kernel = join(tree, 'kernel');
  rmSync(kernel, { recursive: true, force: true });
  mkdirSync(join(before, 'bits'), { recursive: true });
  mkdirSync(kernel, { recursive: true });
  writeFileSync(join(before, 'bits/c++config.h'), CONFIG);
  symlinkSync('/usr/include/linux', join(kernel, 'linux'));
  symlinkSync('/usr/include/asm-generic', join(kernel, 'asm-generic'));
  symlinkSync('/usr/include/x86_64-linux-gnu/asm', join(kernel, 'asm'));
  const version = run('g++', ['-dumpversion']).trim();
  const cxx = [`/usr/include/c++/${version}`, `/usr/include/x86_64-linux-gnu/c++/${version}`];
  return [before, ...cxx, HEADERS, nameOf('include'), kernel];
}

/** A C++ library over musl, with what Bun and these objects ask of one. */
function makeLibrary(ofMusl, objects) {
  const kit = nameOf('libstdc++_pic.a');
  // A variable of the library that Bun has a copy of is none that it asks for.
  const copied = part('readelf', ['-rW', bun], /R_X86_64_COPY.* (\S+?)(?:@\S+)? \+ 0$/);
  const wantedOfIt = new Set([...undefinedIn(...objects), ...undefinedIn('-D', bun), ...copied]);
  const roots = definedIn(kit).filter((name) => wantedOfIt.has(name));
  mkdirSync(join(tree, 'runtime'), { recursive: true });
  const shim = join(tree, 'shim.c');
  writeFileSync(shim, SHIM);
  run(COMPILER, [
    ...[...SPECS, '-O2', '-fPIC', '-shared', '-o', library, '-Wl,-soname,libstdc++.so.6'],
    ...new Set(roots.map((name) => `-Wl,-u,${name}`)),
    ...['-Wl,--gc-sections', shim, kit, nameOf('libgcc_eh.a')],
  ]);
  const left = asked(library).filter((name) => !ofMusl.has(name));
  attack.claim('the C++ library asks nothing of glibc', left.length === 0, left.join(', '));
}

async function build() {
  const ofMusl = new Set(definedIn('-D', join(MUSL, 'libc.so')));
  const flags = [
    ...['-nostdinc', '-nostdinc++', '-D__locale_t=locale_t', '-D__GLIBC_PREREQ(a,b)=0'],
    ...includes().flatMap((folder) => ['-isystem', folder]),
  ];
  const { binary, sources } = await crossBuild({
    compiler: COMPILER,
    folder: tree,
    flags,
    link: (objects) => {
      makeLibrary(ofMusl, objects);
      return [...SPECS, library];
    },
  });
  // The add-on of the tests whose code is taken away under it: a fault that is not ours.
  const helpers = join(tree, 'out/native-test/Release');
  mkdirSync(helpers, { recursive: true });
  run(COMPILER, [
    ...[...flags, '-isystem', nodeHeaders(), '-D_GNU_SOURCE', '-DNAPI_VERSION=9'],
    ...[...SPECS, '-shared', '-fPIC'],
    ...['native/test/fork_helper.cc', library, '-o', join(helpers, 'fork_helper.node')],
  ]);
  attack.claim('every source compiles against the headers of musl', true, `${sources}`);
  const others = new Set([...ofMusl, ...definedIn('-D', library)]);
  const strangers = asked(binary).filter(
    (name) => !others.has(name) && !/^n(api|ode_api)_/.test(name),
  );
  attack.claim('the add-on asks nothing of glibc', strangers.length === 0, strangers.join(', '));
}

/** A binary for glibc, where node-gyp-build does not know that this is musl. */
function refuses(env) {
  const folder = join(tree, 'glibc');
  mkdirSync(join(folder, 'build/Release'), { recursive: true });
  copyFileSync(join(root, 'build/Release/memmap.node'), join(folder, 'build/Release/memmap.node'));
  const code = "import('memmap').catch(({ code, message }) => console.log(code, message))";
  const options = { cwd: tree, env: { ...process.env, ...env, MEMMAP_PREBUILD: folder } };
  const { stdout, stderr } = spawnSync(bun, ['-e', code], { ...options, encoding: 'utf8' });
  const parts = [/^ERR_FEATURE_UNAVAILABLE .* with musl could/, /not accepted/, /apk add g\+\+/];
  const told = parts.every((part) => part.test(stdout));
  attack.claim(
    'a binary for glibc is an error that says what to do',
    told,
    told ? '' : `${stdout}${stderr}`,
  );
}

async function main() {
  await build();
  mirror(tree);
  const env = { LD_LIBRARY_PATH: join(tree, 'runtime') };
  const runtime = { command: [bun, '--expose-gc'] };
  const code = "console.log(require('memmap/package.json').name, process.versions.bun)";
  const started = spawnSync(bun, ['-e', code], {
    cwd: tree,
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  const version = /^memmap (\S+)/.exec(started.stdout)?.[1];
  if (!attack.claim('Bun for musl starts', version !== undefined, version ?? started.stderr))
    return;
  refuses(env);
  const list = features();
  const file = join(tree, 'out/test/conformance/main.js');
  const cells = await inParallel(list, 3, (feature) =>
    runFeature(runtime, feature, { env, main: file }),
  );
  const otherwise = [];
  for (const [i, feature] of list.entries()) {
    const { cell, detail } = cells[i];
    if (cell !== expected('bun', feature)) attack.claim(feature, false, `${cell}: ${detail}`);
    else if (cell !== 'passed') otherwise.push(feature);
  }
  const passed = cells.filter(({ cell }) => cell === 'passed').length;
  attack.claim(
    'the features run on musl as they should',
    passed > 0,
    `${passed} of ${list.length}`,
  );
  attack.skip('Node on musl', 'the registry has no Node for musl');
  if (wanted()) {
    const row = [`musl 1.2, Bun ${version}`, list.length, passed, otherwise.join('<br>') || 'none'];
    write(
      RUNTIMES_MD,
      'musl',
      table(['on', 'features', 'passed', 'otherwise, as on glibc'], [row]),
    );
  }
}

const missing = [
  process.arch === 'x64' ? [] : [`not tried on ${process.arch}`],
  existsSync(`${MUSL}/musl-gcc.specs`) ? [] : ['no headers of musl (Debian: musl-dev, musl-tools)'],
  existsSync(nameOf('libstdc++_pic.a')) ? [] : ['no libstdc++_pic.a (Debian: libstdc++-12-pic)'],
  existsSync(bun) ? [] : ['no Bun for musl: npm run fetch:runtimes -- musl/bun'],
].flat();
if (missing.length > 0) attack.skip('musl', missing.join('; '));
else await main();
attack.end();
