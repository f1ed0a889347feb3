// One process of the wake-up stress (wake-ups.ts). No wait here has a timeout: who is not woken hangs.
//
//   wake-up-member ping|pong CELL ROUNDS sync|async     turns, as sync_peer has them in C
//   wake-up-member doze CELL TALLY sync|async           sleeps on a cell that nobody changes
//   wake-up-member words CELL COUNT ROUNDS ACK...       many waits at once, each of which is answered
import { inherited } from 'memmap';
import { notify, wait, waitAsync } from 'memmap/sync';

const cells = inherited('cells').view(Int32Array);
const [what = '', ...rest] = process.argv.slice(2);
const how = rest.at(-1);
const [first = 0, second = 0, rounds = 0, ...acks] = rest.map(Number);

const say = (cell: number, value: number): void => {
  Atomics.store(cells, cell, value);
  notify(cells, cell, 1);
};

function takeTurns(mine: number, theirs: number, begins: boolean): void {
  for (let i = 1; i <= second; i++) {
    if (begins) say(mine, i);
    for (let seen = Atomics.load(cells, theirs); seen !== i; seen = Atomics.load(cells, theirs)) {
      wait(cells, theirs, seen);
    }
    if (!begins) say(mine, i);
  }
}

async function takeTurnsAsync(mine: number, theirs: number, begins: boolean): Promise<void> {
  for (let i = 1; i <= second; i++) {
    if (begins) say(mine, i);
    for (let seen = Atomics.load(cells, theirs); seen !== i; seen = Atomics.load(cells, theirs)) {
      await waitAsync(cells, theirs, seen);
    }
    if (!begins) say(mine, i);
  }
}

/** What the doze's other side counts is how often it woke somebody; here is how often somebody was woken. */
async function doze(cell: number, tally: number): Promise<void> {
  while (Atomics.load(cells, cell + 1) === 0) {
    const result = how === 'sync' ? wait(cells, cell, 0) : await waitAsync(cells, cell, 0);
    if (result !== 'ok') throw new Error(`a doze ended as '${result}'`);
    Atomics.add(cells, tally, 1);
  }
  Atomics.add(cells, cell + 2, 1);
}

/** Follows one word up to its last value. Each change that it sees is added to the owner's answers. */
async function follow(word: number, last: number, ack: number): Promise<void> {
  for (let seen = 0; seen !== last; ) {
    await waitAsync(cells, word, seen);
    const now = Atomics.load(cells, word);
    if (now === seen) continue;
    Atomics.add(cells, ack, now - seen);
    notify(cells, ack, 1);
    seen = now;
  }
}

if (what === 'ping' || what === 'pong') {
  const pair = what === 'ping' ? ([first, first + 1] as const) : ([first + 1, first] as const);
  const turns = how === 'sync' ? takeTurns : takeTurnsAsync;
  await turns(...pair, what === 'ping');
} else if (what === 'doze') {
  await doze(first, second);
} else {
  // Whose word it is goes by its number.
  const words = Array.from({ length: second }, (_, i) => i);
  await Promise.all(words.map((i) => follow(first + i, rounds, acks[i % acks.length]!)));
}
