// The other side of `words` and `doze` of wake-up-member.ts: wakes, and counts.
//
//   wake-up-waker words CELL COUNT ROUNDS FOLLOWERS ACK INDEX OWNERS SEED
//   wake-up-waker doze CELL WAKES SLEEPERS              prints how many it woke in all
import { inherited } from 'memmap';
import { notify, wait } from 'memmap/sync';
import { random } from '../support/orders.js';

const cells = inherited('cells').view(Int32Array);
const [what = '', ...rest] = process.argv.slice(2);
const [cell = 0, ...n] = rest.map(Number);

/** Changes all words of its own, in another order each round, and goes on when all followers have answered. */
function words(count: number, rounds: number, followers: number, ack: number): void {
  const [index = 0, owners = 1, seed = 0] = n.slice(4);
  const chance = random(seed);
  const mine = Array.from({ length: count }, (_, i) => i).filter((i) => i % owners === index);
  for (let round = 1; round <= rounds; round++) {
    for (let i = mine.length - 1; i > 0; i--) {
      const j = Math.floor(chance() * (i + 1));
      [mine[i], mine[j]] = [mine[j]!, mine[i]!];
    }
    for (const word of mine) {
      Atomics.store(cells, cell + word, round);
      notify(cells, cell + word);
    }
    const wanted = round * mine.length * followers;
    for (;;) {
      const seen = Atomics.load(cells, ack);
      if (seen === wanted) break;
      wait(cells, ack, seen);
    }
  }
}

/** Nobody changes the cell: who slept through a wake is not told by the value. */
function doze(wakes: number, sleepers: number): number {
  let woken = 0;
  while (woken < wakes) woken += notify(cells, cell, 1 + (woken % sleepers));
  Atomics.store(cells, cell + 1, 1);
  while (Atomics.load(cells, cell + 2) < sleepers) woken += notify(cells, cell, 1);
  return woken;
}

if (what === 'words') words(n[0]!, n[1]!, n[2]!, n[3]!);
else console.log(doze(n[0]!, n[1]!));
