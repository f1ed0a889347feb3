// The channel's fuzz run (test/programs/channel-fuzz.ts) for as long as one likes: seed after seed, until one fails.
//
//   node scripts/channel-fuzz.mjs [SECONDS] [FIRST-SEED]       after `npm run build:ts`
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

const program = join(resolve(import.meta.dirname, '..'), 'out/test/programs/channel-fuzz.js');
const seconds = Number(process.argv[2] ?? 60);
const first = Number(process.argv[3] ?? Date.now() % 1_000_000);
const end = performance.now() + seconds * 1000;
/** Longer than any of them takes, on any machine. */
const WATCHDOG = 120_000;

const sum = { runs: 0, messages: 0, spoilt: 0, errors: {} };
for (let seed = first; performance.now() < end; seed++) {
  for (const [mode, amount] of [
    ['steps', 100_000],
    ['beside', 30],
  ]) {
    const args = ['--no-warnings', program, mode, String(amount), String(seed)];
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      timeout: WATCHDOG,
      killSignal: 'SIGKILL',
    });
    if (status !== 0 || stderr !== '') {
      console.error(
        `${args.slice(1).join(' ')}: code ${status}, signal ${signal}\n${stdout}${stderr}`,
      );
      process.exit(1);
    }
    const report = JSON.parse(stdout.trim().split('\n').at(-1));
    sum.runs++;
    sum.messages += report.messages;
    sum.spoilt += report.spoilt;
    for (const [code, count] of Object.entries(report.errors)) {
      sum.errors[code] = (sum.errors[code] ?? 0) + count;
    }
  }
}
console.log(`seeds from ${first}: ${JSON.stringify(sum)}`);
