// core/ and the headers for C, attacked by many threads under ThreadSanitizer. Each case counts what it does and
// compares; ThreadSanitizer reports races, locks taken in two orders, and calls that no signal handler may make.
//   --short   each case once, 45 s with the build
//   --long    seed after seed, and the same under AddressSanitizer: ten minutes
import { spawnSync } from 'node:child_process';
import { isAbsolute, join } from 'node:path';
import { attack, blame, build, cases, without } from './cases.mjs';
import { begin, root } from './report.mjs';

const report = begin('threads');

/** Each with the options under which its own reports, and nothing else, end the program. */
const sanitizers = {
  thread: {
    env: {
      TSAN_OPTIONS: [
        `suppressions=${join(root, 'native/test/threads/tsan.supp')}`,
        'second_deadlock_stack=1',
        'history_size=4',
        // Threads of ours run until the process ends: nothing to wait for.
        'atexit_sleep_ms=0',
      ].join(':'),
    },
    scale: report.long ? 200 : 100,
  },
  // The same tests: memory that is freed while another thread has it.
  'address,undefined': {
    env: {
      ASAN_OPTIONS: 'allow_user_segv_handler=1:strict_string_checks=1',
      UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
    },
    scale: 400,
  },
};

/** The sanitizer's library, as the compiler finds it: a bare name when it is not there. */
function libtsan() {
  const found = spawnSync('c++', ['-print-file-name=libtsan.so'], { encoding: 'utf8' });
  return isAbsolute(found.stdout?.trim() ?? '');
}

async function all(sanitizer, rounds) {
  const out = `out/threads-${sanitizer.replace(/,.*/, '')}`;
  if (!report.claim(`the tests are built: ${sanitizer}`, build(out, 'threads', sanitizer))) return;
  const { env, scale: usual } = sanitizers[sanitizer];
  const scale = report.option('scale', usual);
  const sums = new Map();
  const failed = new Map();
  const worlds = [
    ['', []],
    [', without futex_waitv', without(out, 'futexWaitv', 'ENOSYS')],
  ];
  for (let round = 0; round < rounds; round++) {
    for (const name of Object.keys(cases)) {
      for (const [suffix, world] of worlds.slice(0, cases[name].sleeps ? 2 : 1)) {
        const title = `${sanitizer}: ${cases[name].holds}${suffix}`;
        const seed = report.seed + round;
        const result = await attack(name, { out, world, scale, seed, sums, env });
        if (!result.holds && !failed.has(title)) {
          failed.set(title, `${name} --seed=${seed}: ${blame(result)}`);
        }
        if (round === rounds - 1) report.claim(title, !failed.has(title), failed.get(title));
      }
    }
  }
  for (const [title, value] of sums) report.figure(`${sanitizer}: ${title}`, value);
}

if (libtsan()) {
  await all('thread', report.option('rounds', report.long ? 15 : 1));
} else {
  report.skip('ThreadSanitizer', 'the compiler has no libtsan (Debian: the package libtsan2)');
}
if (report.long) await all('address,undefined', report.option('rounds', 10));
report.end();
