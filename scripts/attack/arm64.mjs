// The add-on on 64-bit ARM: cross-compiled with the flags of binding.gyp, and the features of
// test/conformance/ run with it by an arm64 Node under qemu-user.
//
//   node scripts/attack/arm64.mjs [--short | --long] [--write]
//
// Needs g++-aarch64-linux-gnu and qemu-user-static (Debian), and `npm run fetch:runtimes -- arm64/node20`.
// qemu shows that the code is right for the machine's ABI and system calls. It does not show its memory
// order, since it runs on this processor, nor what a misaligned access does.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ARM64, buildArm64, mirror, run, there } from '../cross-build.mjs';
import { features, inParallel, runTogether } from './conformance.mjs';
import { RUNTIMES_MD, table, wanted, write } from './generated.mjs';
import { begin, root } from './report.mjs';

const QEMU = 'qemu-aarch64-static';
const SYSROOT = '/usr/aarch64-linux-gnu';
const fetched = join(root, '.runtimes/arm64/node20');
const node = join(fetched, 'bin/node');
const tree = join(root, 'out/arm64');
const prebuild = join(root, 'prebuilds/linux-arm64/memmap.glibc.node');

/** What qemu-user does otherwise than a kernel of that machine; by feature, with what a cell is there. */
const DIFFERENCES = [
  {
    feature: 'pages/locked pages of a mapping that slides',
    cell: 'failed',
    cause: 'qemu-user 7.2 answers `mlock2(2)` with ENOSYS',
  },
];

/** Features with processes of their own: qemu-user hands execve(2) to this machine's kernel. */
const CHILDREN =
  /^(endings\/(process|an unc|SIG|open)|memory\/(createNamed|share)|sync\/.*with a process|mutex\/(processes|the owner)|channel\/(with a process|a sender)|guard\/(beside|a listener|a signal|a fault that|many))/;
const SHORT = /^(files|pages|memory|posix|guard|mutex|channel)\/|^sync\/(time|waitAsync)/;

const attack = begin('arm64');

const missing = [
  there(ARM64.compiler) ? [] : ['no aarch64-linux-gnu-g++ (Debian: g++-aarch64-linux-gnu)'],
  there(QEMU) ? [] : ['no qemu-aarch64-static (Debian: qemu-user-static)'],
  existsSync(node) ? [] : ['no arm64 Node: npm run fetch:runtimes -- arm64/node20'],
].flat();

async function main() {
  attack.figure('sources compiled', (await buildArm64()).sources);
  if (existsSync(prebuild)) {
    const code = `console.log(typeof require(${JSON.stringify(prebuild)}).mapFile)`;
    const told = run(QEMU, ['-L', SYSROOT, node, '-e', code]).trim();
    attack.claim('the prebuild is loaded', told === 'function', told);
  } else {
    attack.skip('the prebuild', 'not built: npm run build:prebuilds');
  }
  mirror(tree);
  const command = [QEMU, '-L', SYSROOT, node, '--no-warnings', '--expose-gc'];
  const all = features();
  const list = all.filter(
    (feature) => !CHILDREN.test(feature) && (attack.long || SHORT.test(feature)),
  );
  // A start takes seconds: a process for each group, and one for each feature that did not get its turn.
  const groups = [...new Set(list.map((feature) => feature.split('/')[0]))];
  const main = join(tree, 'out/test/conformance/main.js');
  const options = { watchdog: 240_000, main };
  const outcomes = await inParallel(groups, 2, async (group) => {
    const of = list.filter((feature) => feature.startsWith(`${group}/`));
    const results = [];
    for (let rest = of; rest.length > 0; ) {
      const got = await runTogether(command, rest, options);
      // Up to the one that ended the process, which is judged; the others run again without it.
      const end = got.findIndex(({ cell }) => cell === 'crashed' || cell === 'hung');
      const done = end < 0 ? got : got.slice(0, end + 1);
      results.push(...done);
      rest = rest.slice(done.length);
    }
    return results;
  });
  const flat = outcomes.flat();
  for (const { feature, cell, detail } of flat) {
    const should = DIFFERENCES.find((one) => one.feature === feature)?.cell ?? 'passed';
    const unavailable = cell === 'unavailable' && feature.includes('larger than 4 GiB');
    if (cell !== should && !unavailable) attack.claim(feature, false, `${cell}: ${detail}`);
  }
  const passed = flat.filter(({ cell }) => cell === 'passed').length;
  attack.claim(
    'the features run on arm64 as they should',
    passed > 0,
    `${passed} of ${flat.length}`,
  );
  attack.skip(
    `${all.filter((feature) => CHILDREN.test(feature)).length} features`,
    'qemu-user starts no processes of the other machine without binfmt_misc',
  );
  if (wanted()) {
    const version = run(QEMU, ['--version']).match(/version ([\d.]+)/)[1];
    const head = ['under qemu-user', 'features', 'passed', 'otherwise'];
    const others = DIFFERENCES.map(({ feature, cell, cause }) => `${feature}: ${cell}: ${cause}`);
    const refused = flat.filter(({ cell }) => cell === 'unavailable').map(({ feature }) => feature);
    const otherwise = [...others, ...refused.map((feature) => `${feature}: as on x64, Node 20`)];
    const row = [`qemu ${version}, Node 20`, flat.length, passed, otherwise.join('<br>') || 'none'];
    write(RUNTIMES_MD, 'arm64', table(head, [row]));
  }
}

if (missing.length > 0) attack.skip('arm64', missing.join('; '));
else await main();
attack.end();
