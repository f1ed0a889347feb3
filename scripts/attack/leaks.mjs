// core/, the headers for C and the add-on in Node, under valgrind's memcheck: memory that was not allocated, not
// written or already freed, and what nobody can free any more.
//   --short   each case and a program in Node, 45 s with the build     --long   more of each, ten minutes
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attack, blame, build, cases, run } from './cases.mjs';
import { begin, root } from './report.mjs';

// node-gyp-build looks for DIR/build/Release/*.node where MEMMAP_PREBUILD=DIR.
const PREBUILD = 'out/valgrind';
const OUT = join(PREBUILD, 'build');
const report = begin('leaks');

const VALGRIND = [
  'valgrind',
  '-q',
  '--vgdb=no',
  // A fault is survived: the instruction runs again after the handler, with all its registers and at its own
  // place, neither of which valgrind keeps exact unless it is told to.
  '--vex-iropt-register-updates=allregs-at-mem-access',
  '--vex-guest-chase=no',
  '--fair-sched=try',
  '--leak-check=full',
  '--show-leak-kinds=definite',
  `--fullpath-after=${root}/`,
  `--suppressions=${join(root, 'native/test/threads/valgrind.supp')}`,
];

async function threads() {
  const rounds = report.option('rounds', report.long ? 10 : 1);
  const scale = report.option('scale', report.long ? 20 : 2);
  const tool = [...VALGRIND, '--errors-for-leak-kinds=definite', '--error-exitcode=67'];
  const sums = new Map();
  for (const [name, { holds, cuts }] of Object.entries(cases)) {
    if (cuts) {
      report.skip(
        holds,
        'valgrind loads the word of futex(2) by itself, and a SIGBUS of its own ends it',
      );
      continue;
    }
    let failed = '';
    for (let round = 0; round < rounds && !failed; round++) {
      const seed = report.seed + round;
      const result = await attack(name, { out: OUT, tool, scale, seed, sums });
      if (!result.holds) failed = `${name} --seed=${seed}: ${blame(result)}`;
    }
    report.claim(holds, !failed, failed);
  }
  for (const [title, value] of sums) report.figure(title, value);
}

/** Reports of memcheck, as blocks of lines; which of them have code of ours in their stack. */
function reports(log) {
  const blocks = log
    .replace(/^--\d+--.*\n/gm, '')
    .split(/^==\d+== $/m)
    .map((block) => block.replace(/^==\d+== ?/gm, '').trim())
    .filter((block) => block !== '');
  const ours = blocks.filter((block) => /\(native\/(core|binding|include|addon\.cc)/.test(block));
  return { ours, others: blocks.length - ours.length };
}

/** A program of test/programs in Node: how it ended, and what memcheck reports. */
async function inNode(folder, name, args) {
  const log = join(folder, `${name}.log`);
  const program = join(root, 'out/test/programs', `${name}.js`);
  const command = [
    ...VALGRIND,
    // V8 writes code where it has run code before; without a compiler there is little of it.
    '--smc-check=all-non-file',
    `--log-file=${log}`,
    process.execPath,
    '--jitless',
    '--expose-gc',
    '--no-warnings',
    program,
    ...args,
  ];
  const env = { MEMMAP_PREBUILD: join(root, PREBUILD) };
  const result = await run(command, { env, patience: 600_000 });
  report.claim(
    `${name} in Node ends well`,
    result.ended === 0,
    result.ended === 0 ? '' : blame(result),
  );
  const { ours, others } = reports(readFileSync(log, 'utf8'));
  const title = `${name} in Node: no memory of ours is misused or lost`;
  report.claim(title, ours.length === 0, ours.join('\n\n'));
  report.figure(`${name} in Node, reports without us in the stack`, others);
}

async function node() {
  const folder = mkdtempSync(join(tmpdir(), 'memmap-leaks-'));
  const rounds = report.option('node-rounds', report.long ? 20 : 1);
  await inNode(folder, 'everything', [join(folder, 'file'), `${rounds}`]);
  if (report.long) await inNode(folder, 'sync-core', []);
  rmSync(folder, { recursive: true });
}

const found = spawnSync('valgrind', ['--version'], { encoding: 'utf8' });
if (found.status !== 0) {
  report.skip('valgrind', 'is not installed (Debian: the packages valgrind and libc6-dbg)');
} else if (!existsSync(join(root, 'out/test/programs/everything.js'))) {
  report.claim('the programs are built', false, 'run `npm run build` first');
} else if (report.claim('the tests are built', build(OUT, 'for_valgrind'))) {
  report.figure('valgrind', found.stdout.trim());
  await Promise.all([node(), threads()]);
}
report.end();
