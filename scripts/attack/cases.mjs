// What native/test/threads has: its cases, what each shows, and how they are built and run. Used by threads.mjs
// (ThreadSanitizer) and leaks.mjs (valgrind).
import { spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { root } from './report.mjs';

/**
 * By name: what holds in it. `sleeps`: its waits differ where futex_waitv(2) is missing. `cuts`: files are cut
 * under words on which threads sleep.
 */
export const cases = {
  table: { holds: 'the table: a region that was found lives until its visitor has left' },
  counters: { holds: 'the spin lock excludes; areas and spares are counted exactly' },
  regions: { holds: 'regions mapped, touched, retired and released at once leave nothing' },
  guard: { holds: 'the handler on many threads, while the file is cut, slid, healed and flushed' },
  permits: { holds: 'no wake is lost among waits, foreign sleepers and aborts', sleeps: true },
  tickets: { holds: 'each notify ends a wait, on a word that keeps its value', sleeps: true },
  owners: {
    holds: 'each wait ends in one way, whatever ends and is freed meanwhile',
    sleeps: true,
  },
  crowd: { holds: 'of waits that share threads all are woken', sleeps: true },
  windows: { holds: 'a wait follows a slide and ends with a fault', sleeps: true, cuts: true },
  mutexes: { holds: 'Mutex: one owner; the end of one is told once' },
  lock: { holds: 'memmap_sync.h in C: one owner, no lost wake, each death told once' },
  channel: { holds: 'memmap_channel.h in C: every message once, in order, no bell lost' },
  lanes: { holds: 'memmap_channel.h in C: lanes claimed, given back and left by the dead' },
  flushes: { holds: 'flushes beside slides and closes: what was flushed is in the file' },
  poison: { holds: 'a sync that failed is the failure of every later one', msync: 'EIO' },
};

/** Builds a target of native/test; false, with what the compiler said printed, if it cannot be built. */
export function build(out, target, sanitize = '') {
  const built = spawnSync(
    process.execPath,
    [
      join(root, 'scripts/build-native-tests.mjs'),
      `--out=${join(root, out)}`,
      `--target=${target}`,
      `--parallel=${availableParallelism()}`,
      `--CDMEMMAP_SANITIZE=${sanitize}`,
    ],
    { encoding: 'utf8' },
  );
  if (built.status !== 0) console.error(built.stdout + built.stderr);
  return built.status === 0;
}

/** Runs a command to its end: its code or signal, what it printed, and whether it had to be stopped. */
export function run(command, { env = {}, patience = 300_000 } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command[0], command.slice(1), {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const printed = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8').on('data', (text) => {
        printed[name] += text;
      });
    }
    let stopped = false;
    const timer = setTimeout(() => {
      stopped = true;
      child.kill('SIGKILL');
    }, patience);
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve({ ended: error.message, stopped, ...printed });
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ ended: signal ?? code, stopped, ...printed });
    });
  });
}

const NUMBERS = { futexWaitv: { x64: 449, arm64: 449 }, msync: { x64: 26, arm64: 227 } };
const ERRNO = { ENOSYS: 38, EIO: 5 };

/** What makes a world in which the system call fails. */
export function without(out, call, error) {
  const number = NUMBERS[call][process.arch];
  return [join(root, out, 'Release/without_syscall'), `${number}`, `${ERRNO[error]}`];
}

/**
 * Runs a case in one world: its title in the report, whether it held, and what it printed if not. Its figures
 * are added up in `sums`.
 */
export async function attack(name, { out, world = [], tool = [], scale, seed, sums, ...options }) {
  const program = join(root, out, 'Release/threads');
  const spoilt = cases[name].msync ? without(out, 'msync', cases[name].msync) : [];
  const result = await run(
    [...world, ...spoilt, ...tool, program, `--scale=${scale}`, `--seed=${seed}`, name],
    options,
  );
  for (const [, title, value] of result.stdout.matchAll(/^(.+) (\d+)$/gm)) {
    sums.set(title, (sums.get(title) ?? 0) + Number(value));
  }
  return { ...result, holds: result.ended === 0 };
}

/** The beginning of what went wrong. */
export function blame({ ended, stopped, stderr }) {
  const lines = stderr.trim().split('\n').slice(0, 60).join('\n');
  return `${stopped ? 'hangs' : `ended with ${ended}`}\n${lines}`;
}
