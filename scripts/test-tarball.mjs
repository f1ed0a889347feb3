// The tarball as a product: prebuilds are made, the package packed, its contents looked at, and it is installed into
// empty projects, offline and without a compiler, as a new user would; what the README says first must work there.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { begin, root } from './attack/report.mjs';
import { checkContents } from './tarball/contents.mjs';
import { checkFromSource, checkInstalling } from './tarball/installing.mjs';
import { environment, must } from './tarball/machine.mjs';
import { checkPrograms } from './tarball/programs.mjs';

const temp = mkdtempSync(join(realpathSync(tmpdir()), 'memmap-tarball-'));
process.on('exit', () => rmSync(temp, { recursive: true, force: true }));
const attack = begin('tarball', 'tarball');

must('npm', ['run', 'build:prebuilds']);
must('npm', ['run', 'build:ts']);

// The package and, so that nothing is downloaded, its two dependencies as they are here.
const packed = join(temp, 'tarballs');
mkdirSync(packed);
for (const what of ['.', 'node_modules/node-addon-api', 'node_modules/node-gyp-build']) {
  must('npm', ['pack', `./${what}`, '--ignore-scripts', '--pack-destination', packed]);
}
const tarballs = readdirSync(packed).map((file) => join(packed, file));
must('tar', ['-xzf', tarballs.find((file) => /memmap-\d/.test(file)), '-C', temp]);
const contents = readdirSync(join(temp, 'package'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(join(temp, 'package').length + 1));
checkContents(attack, join(temp, 'package'), contents);

const { env, project, installed } = checkInstalling(attack, temp, tarballs);
const majorOf = (version) => Number(version.split('.')[0]);
const here = process.versions.node;
const nodes = [{ name: `Node ${here}`, env, major: majorOf(here) }];
const newest = join(root, '.runtimes/node26/bin/node');
if (existsSync(newest)) {
  const version = must(newest, ['-p', 'process.versions.node']).trim();
  const its = environment(join(temp, 'bin-newest'), newest);
  nodes.push({ name: `Node ${version}`, env: its, major: majorOf(version) });
} else {
  attack.skip('Node 26', 'not fetched: npm run fetch:runtimes -- node26');
}
checkPrograms(attack, project, nodes);

// The command, as npx finds it. The demo has no programs in C here, and says so.
const memmap = join(project, 'node_modules/.bin/memmap');
const doctor = JSON.parse(must(memmap, ['doctor', '--json'], { cwd: project, env }));
const { found } = doctor.checks.find(({ name }) => name === 'add-on');
attack.claim(
  'the doctor finds the prebuild',
  found.startsWith(join(installed, 'prebuilds')),
  found,
);
const demo = must(memmap, ['demo'], { cwd: project, env });
const isWell = demo.endsWith('\nEverything is as it should be.\n') && !demo.includes('FAIL');
attack.claim('the demo runs', isWell, isWell ? '' : demo);

checkFromSource(attack, temp, tarballs);
attack.end();
