// The tarball as a product: a prebuild is made, the package packed and installed into an empty
// project, offline, with install scripts off and no compiler on the PATH; example 3 of the
// documentation, written there in plain JS, must run and leave the right 40 bytes in the file.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const EXAMPLE = `
import { readFileSync } from 'node:fs';
import { map } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';

// struct { int record_id; char name[32]; int value; }
const record = map('database.dat', { access: 'write', create: true, length: 40 });
const view = record.view(DataView);
view.setInt32(0, 42, true);
record.bytes.write('temperature\\0', 4, 'latin1');
view.setInt32(36, 37, true);
await record.flush();
record.unmap();

const disk = readFileSync('database.dat');
const name = disk.toString('latin1', 4, disk.indexOf(0, 4));
console.log(\`Record flushed to disk: id=\${disk.readInt32LE(0)} name=\${name} value=\${disk.readInt32LE(36)}\`);
console.log(\`\${disk.length} bytes, page size \${PAGE_SIZE > 0 ? 'known' : 'unknown'}\`);
`;
const EXPECTED =
  'Record flushed to disk: id=42 name=temperature value=37\n40 bytes, page size known\n';

const root = resolve(import.meta.dirname, '..');
const temp = mkdtempSync(join(tmpdir(), 'memmap-tarball-'));
process.on('exit', () => rmSync(temp, { recursive: true, force: true }));

function run(command, args, options = {}) {
  const r = spawnSync(command, args, { cwd: root, encoding: 'utf8', ...options });
  if (r.status === 0) return r.stdout;
  console.error(`${r.stdout ?? ''}${r.stderr ?? r.error?.message ?? ''}`);
  console.error(`test-tarball: ${command} ${args.join(' ')} failed (${r.signal ?? r.status})`);
  process.exit(1);
}

run('npm', ['run', 'build:prebuilds']);
run('npm', ['run', 'build:ts']);

// The package and, so that nothing is downloaded, its two dependencies as they are here.
const tarballs = join(temp, 'tarballs');
mkdirSync(tarballs);
for (const what of ['.', 'node_modules/node-addon-api', 'node_modules/node-gyp-build']) {
  run('npm', ['pack', `./${what}`, '--ignore-scripts', '--pack-destination', tarballs]);
}
const packed = readdirSync(tarballs).map((f) => join(tarballs, f));
const contents = run('tar', ['-tzf', packed.find((f) => /memmap-\d/.test(f))]);
for (const wanted of [
  'lib/index.js',
  'lib/cli.js',
  'out/examples/demo.js',
  'lib/index.d.ts',
  'lib/posix.d.ts',
  'binding.gyp',
  'README.md',
]) {
  if (!contents.includes(`package/${wanted}\n`)) throw new Error(`not in the tarball: ${wanted}`);
}
if (!/package\/prebuilds\/linux-[a-z0-9]+\/memmap\.node\n/.test(contents)) {
  throw new Error('no prebuild in the tarball');
}
if (/package\/(native\/test|test|src|out(?!\/examples\/))\//.test(contents)) {
  throw new Error('the tarball carries what only the repository needs');
}

// A PATH with node and nothing else.
const bin = join(temp, 'bin');
mkdirSync(bin);
symlinkSync(process.execPath, join(bin, 'node'));
const env = { ...process.env, PATH: bin };
for (const key of Object.keys(env)) {
  if (/^(npm_|MEMMAP_|LD_PRELOAD$|NODE_OPTIONS$|NODE_PATH$|CC$|CXX$)/.test(key)) delete env[key];
}
const cc = ['g++', 'gcc', 'cc', 'c++', 'clang', 'make'];
if (cc.some((c) => spawnSync(c, ['--version'], { env }).error?.code !== 'ENOENT')) {
  throw new Error('a compiler is still on the PATH');
}

const project = join(temp, 'project');
mkdirSync(project);
writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
writeFileSync(join(project, 'example3.js'), EXAMPLE);
const npmCli =
  process.env.npm_execpath ?? run('sh', ['-c', 'readlink -f "$(command -v npm)"']).trim();
run(
  process.execPath,
  [npmCli, 'install', ...packed, '--ignore-scripts', '--offline', '--no-audit', '--no-fund'],
  { cwd: project, env },
);
const installed = join(project, 'node_modules/memmap');
if (existsSync(join(installed, 'build'))) throw new Error('something was compiled');

const output = run(join(bin, 'node'), ['example3.js'], { cwd: project, env });
if (output !== EXPECTED) {
  console.error(`test-tarball: seen\n${output}\nwanted\n${EXPECTED}`);
  process.exit(1);
}
process.stdout.write(output);

// The command, as npx finds it. The demo has no programs in C here, and says so.
const memmap = join(project, 'node_modules/.bin/memmap');
const doctor = JSON.parse(run(memmap, ['doctor', '--json'], { cwd: project, env }));
const addon = doctor.checks.find(({ name }) => name === 'add-on');
if (!addon.found.startsWith(join(installed, 'prebuilds'))) {
  throw new Error(`the doctor found another add-on: ${addon.found}`);
}
const demo = run(memmap, ['demo'], { cwd: project, env });
if (!demo.endsWith('\nEverything is as it should be.\n') || demo.includes('FAIL')) {
  throw new Error(`memmap demo\n${demo}`);
}
if (readFileSync(join(project, 'database.dat')).length !== 40) throw new Error('not 40 bytes');
const files = contents.split('\n').length - 1;
console.log(
  `test-tarball: ${files} files packed, installed without a compiler, example 3 as expected`,
);
mkdirSync(join(root, 'out/reports'), { recursive: true });
writeFileSync(
  join(root, 'out/reports/tarball.json'),
  JSON.stringify({ numPassedTests: 1, numFailedTests: 0, numPendingTests: 0 }),
);
