// core/ and the headers for C, attacked by many threads under ThreadSanitizer. Each case counts what it does and
// compares; ThreadSanitizer reports races, locks taken in two orders, and calls that no signal handler may make.
//   --short   each case once, 45 s with the build     --long   ten minutes, seed after seed
import { spawnSync } from 'node:child_process';
import { isAbsolute, join } from 'node:path';
import { attack, blame, build, cases, without } from './cases.mjs';
import { begin, root } from './report.mjs';

const OUT = 'out/tsan';
const report = begin('threads');

/** The sanitizer's library, as the compiler finds it: a bare name when it is not there. */
function libtsan() {
  const found = spawnSync('c++', ['-print-file-name=libtsan.so'], { encoding: 'utf8' });
  return isAbsolute(found.stdout?.trim() ?? '');
}

async function all() {
  const rounds = report.option('rounds', report.long ? 40 : 1);
  const scale = report.option('scale', report.long ? 300 : 100);
  const env = {
    TSAN_OPTIONS: [
      `suppressions=${join(root, 'native/test/threads/tsan.supp')}`,
      'second_deadlock_stack=1',
      'history_size=4',
      // Threads of ours run until the process ends: nothing to wait for.
      'atexit_sleep_ms=0',
    ].join(':'),
  };
  const sums = new Map();
  const failed = new Map();
  const worlds = [
    ['', []],
    [' (without futex_waitv)', without(OUT, 'futexWaitv', 'ENOSYS')],
  ];
  for (let round = 0; round < rounds; round++) {
    for (const name of Object.keys(cases)) {
      for (const [suffix, world] of worlds.slice(0, cases[name].sleeps ? 2 : 1)) {
        const title = cases[name].holds + suffix;
        const seed = report.seed + round;
        const result = await attack(name, { out: OUT, world, scale, seed, sums, env });
        if (!result.holds && !failed.has(title)) {
          failed.set(title, `${name} --seed=${seed}: ${blame(result)}`);
        }
        if (round === rounds - 1) report.claim(title, !failed.has(title), failed.get(title));
      }
    }
  }
  for (const [title, value] of sums) report.figure(title, value);
}

if (!libtsan()) {
  report.skip('ThreadSanitizer', 'the compiler has no libtsan (Debian: the package libtsan2)');
} else if (report.claim('the tests are built', build(OUT, 'threads', 'thread'))) {
  await all();
}
report.end();
