// What importing the package costs: whole processes that import it, beside processes that import an empty
// module, in turn, so that both meet the same machine.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const PACKAGE = new URL('../lib/index.js', import.meta.url).href;
const WARM_UP = 3;

/** Milliseconds of the process, from the fork to its end, and of the `await import` in it. */
function run(program, module) {
  const begun = process.hrtime.bigint();
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, module], {
    encoding: 'utf8',
  });
  const whole = Number(process.hrtime.bigint() - begun) / 1e6;
  if (status !== 0) throw new Error(`${module}: ${stderr}`);
  return { whole, inside: Number(stdout) };
}

/**
 * @param rounds processes of each side
 * @returns milliseconds, one of each round: of the whole process, and of `await import()` in it
 */
export async function importCost(rounds = 40) {
  const folder = mkdtempSync(join(tmpdir(), 'memmap-import-'));
  try {
    const program = join(folder, 'program.mjs');
    const empty = join(folder, 'empty.mjs');
    writeFileSync(empty, '');
    // What is written to a pipe in one piece is there before the process ends.
    writeFileSync(
      program,
      `const begun = performance.now();
await import(process.argv[2]);
process.stdout.write(String(performance.now() - begun));
`,
    );
    const sides = { empty: pathToFileURL(empty).href, memmap: PACKAGE };
    const measured = Object.fromEntries(
      Object.keys(sides).map((side) => [side, { whole: [], inside: [] }]),
    );
    for (let round = -WARM_UP; round < rounds; round++) {
      for (const [side, module] of Object.entries(sides)) {
        const { whole, inside } = run(program, module);
        if (round < 0) continue;
        measured[side].whole.push(whole);
        measured[side].inside.push(inside);
      }
    }
    return measured;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const median = (times) => times.toSorted((a, b) => a - b)[times.length >> 1];
  for (const [side, { whole, inside }] of Object.entries(await importCost())) {
    const [process_, import_] = [whole, inside].map((times) => median(times).toFixed(2));
    console.log(`${side.padEnd(7)} process ${process_} ms, import ${import_} ms`);
  }
}
