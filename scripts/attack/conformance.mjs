// Runs the features of test/conformance/ under a runtime, each in a process group of its own under a
// watchdog: a crash or a hang is one cell of the table, and not the end of the run.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './report.mjs';

const MAIN = join(root, 'out/test/conformance/main.js');

/** Every feature, as GROUP/NAME. */
export function features() {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: run \`npm run build\` first`);
  const listed = spawnSync(process.execPath, [MAIN, 'list'], { encoding: 'utf8' });
  if (listed.status !== 0) throw new Error(listed.stderr);
  return listed.stdout.trim().split('\n');
}

/** Runs a command in an empty directory until it and all that it started have ended. */
function execute(command, { watchdog, env = {} }) {
  const cwd = mkdtempSync(join(realpathSync(tmpdir()), 'memmap-conformance-'));
  return new Promise((resolve, reject) => {
    const [file, ...args] = command;
    const child = spawn(file, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a group of its own
    });
    const killAll = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // Nothing of it is left.
      }
    };
    let stdout = '';
    let stderr = '';
    let hung = false;
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
    const timer = setTimeout(() => {
      hung = true;
      killAll();
    }, watchdog);
    child.once('error', reject);
    // What it left behind may hold its output open, and 'close' waits for that.
    child.once('exit', killAll);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      rmSync(cwd, { recursive: true, force: true });
      for (const name of readdirSync('/dev/shm')) {
        if (name.startsWith(`memmap-conformance-${child.pid}-`)) rmSync(join('/dev/shm', name));
      }
      resolve({ code, signal: hung ? null : signal, hung, stdout, stderr });
    });
  });
}

/** The lines of JSON that a run has printed, by feature. */
const outcomesOf = (stdout) =>
  new Map(
    stdout
      .split('\n')
      .filter((line) => line.startsWith('{"feature"'))
      .map((line) => [JSON.parse(line).feature, JSON.parse(line)]),
  );

const lastLines = (text) => text.trim().split('\n').slice(-4).join(' | ').slice(0, 400);

/**
 * What came of one feature: { cell, detail }. The cell is 'passed', 'unavailable' (refused with
 * ERR_FEATURE_UNAVAILABLE), 'failed', 'crashed', 'hung'.
 */
function judge(feature, { code, signal, hung, stdout, stderr }) {
  const told = outcomesOf(stdout).get(feature);
  if (told?.outcome === 'failed') {
    return { cell: 'failed', detail: `${told.code ?? ''} ${told.message}`.trim() };
  }
  if (hung) {
    return { cell: 'hung', detail: told ? 'the process did not end' : lastLines(stderr) };
  }
  if (signal !== null) return { cell: 'crashed', detail: `${signal} ${lastLines(stderr)}` };
  if (code !== 0 || told === undefined) {
    return { cell: 'crashed', detail: `exit code ${code} ${lastLines(stderr)}` };
  }
  return { cell: told.outcome, detail: '' };
}

export async function runFeature(runtime, feature, { watchdog = 60_000, env, main = MAIN } = {}) {
  const command = [...runtime.command, main, 'run', feature];
  return judge(feature, await execute(command, { watchdog, env }));
}

/** All of them in one process: for many worlds and few differences. */
export async function runTogether(command, list, { watchdog = 60_000, env, main = MAIN } = {}) {
  const ended = await execute([...command, main, 'run', ...list], { watchdog, env });
  const reached = outcomesOf(ended.stdout);
  // Those before the one that ended the process have their own outcome; after a failure it ends with 1.
  const whole = reached.size === list.length && (ended.code === 0 || ended.code === 1);
  const well = { ...ended, code: 0, signal: null, hung: false };
  return list.map((feature, i) => {
    const over = reached.has(feature) && (whole || i < reached.size - 1);
    return { feature, ...judge(feature, over ? well : ended) };
  });
}

/** Calls `each` for every item, so many at once. */
export async function inParallel(items, workers, each) {
  const queue = items.entries();
  const results = [];
  const work = async () => {
    for (const [i, item] of queue) results[i] = await each(item);
  };
  await Promise.all(Array.from({ length: workers }, work));
  return results;
}
