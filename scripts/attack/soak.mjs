// Everything at once for ten minutes (test/programs/soak.ts), and what is left then: regions, descriptors, areas,
// threads, memory, names.
//
//   node scripts/attack/soak.mjs [--short | --long] [--seed=N] [--seconds=N]      after `npm run build`
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { begin, root } from './report.mjs';

const { program, run } = await import(join(root, 'out/test/support/program.js'));

const attack = begin('soak');
const seconds = attack.option('seconds', attack.long ? 600 : 0);
const rounds = seconds > 0 ? 0 : 15;
const directory = mkdtempSync(join(tmpdir(), 'memmap-soak-'));
const { code, signal, stdout, stderr } = await run(
  program('soak'),
  [rounds, seconds, directory, attack.seed].map(String),
  { node: ['--expose-gc', '--no-warnings'], watchdog: 1000 * (seconds + 300) },
);
rmSync(directory, { recursive: true, force: true });
attack.claim('it ends well', code === 0 && stderr === '', `${code ?? signal} ${stderr}`);
if (code === 0) {
  const { first, samples, last, done, names, left } = JSON.parse(stdout);
  for (const [what, count] of Object.entries(done)) attack.figure(what, count);

  if (left.length > 0) console.log(left.join('\n'));
  for (const what of ['mappedBytes', 'descriptors', 'open']) {
    const most = Math.max(...samples.map((sample) => sample[what]));
    attack.claim(`${what}: as at the start, at the end and at each sample`, last[what] === first[what] && most === first[what], `${first[what]}, at most ${most}, ${last[what]}`); // biome-ignore format: one line
  }

  // Of a buffer that was collected in the very moment in which its worker ended nobody knows whether its memory has
  // moved: then its addresses stay, and nothing else (native/binding/exposure.cc).
  attack.figure('address ranges that stay', last.regions);
  attack.claim('regions: as at the start, but for addresses of workers that ended', last.regions - first.regions <= done.workers / 20, last.regions); // biome-ignore format: one line

  // V8 and the C library map and unmap for themselves; a leak of ours would be some for each round.
  const NOISE = 200;
  attack.figure('areas: first, last', `${first.areas}, ${last.areas}`);
  attack.claim('areas do not become more', last.areas - first.areas < NOISE, last.areas - first.areas); // biome-ignore format: one line
  attack.claim('threads: as at the start, and none waits that has nothing to wait for', last.threads === first.threads && last.waiters === 0, JSON.stringify(last)); // biome-ignore format: one line

  // The heap's size after a collection, and the free lists of the C library's arenas, of which each thread may
  // make one, vary by tens of megabytes. A page leaked by each mapping would be 600 KiB a round.
  const half = samples.length >> 1;
  const middle = (of) => of.map(({ rss }) => rss).sort((a, b) => a - b)[of.length >> 1] / 2 ** 20;
  const [before, after] = [middle(samples.slice(0, half)), middle(samples.slice(half))];
  attack.figure('RSS, MiB: first half, second half', `${before.toFixed(1)}, ${after.toFixed(1)}`);
  attack.claim('RSS: the median of the second half is that of the first, give or take', after < 1.15 * before + 16, `${before}, ${after} MiB`); // biome-ignore format: one line
  attack.claim('no name is left in /dev/shm', names.length === 0, names.join());
}
attack.end();
