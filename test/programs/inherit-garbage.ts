// A child whose environment says that it was handed memory, in words that may be anything. Prints
// what it makes of that.
//
//   inherit-garbage NAME...

import { fstatSync } from 'node:fs';
import { inherited, stats } from 'memmap';

type Outcome = 'mapped' | { name: string; code: string };

function attempt(call: () => unknown): Outcome {
  try {
    call();
    return 'mapped';
  } catch (error) {
    const { name, code } = error as Outcome & object;
    return { name, code };
  }
}

console.log(
  JSON.stringify({
    variable: process.env['MEMMAP_SHARED'] ?? null,
    all: attempt(() => Object.keys(inherited())),
    each: process.argv.slice(2).map((name) => attempt(() => inherited(name))),
    stats: stats(),
    // The descriptors that it names are none of ours: they stay as they are.
    stdio: [0, 1, 2].map((fd) => fstatSync(fd).isFIFO() || fstatSync(fd).isSocket()),
  }),
);
