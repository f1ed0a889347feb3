// Unmaps from inside arguments that are asked to turn into a number, and prints what came of each.
//
// Those of the package refuse such an argument without asking it. Those of the language ask it, and find
// the view without a length afterwards: no byte of what was unmapped is touched.

import { type Mapping, map } from 'memmap';
import { MAP, MS, madvise, mmap, mprotect, mremap, msync, PROT } from 'memmap/posix';

export interface Outcome {
  name: string;
  /** The code (or name) of the error, or 'returned'. */
  end: string;
  asked: boolean;
  closed: boolean;
  faults: number;
}

const [path = ''] = process.argv.slice(2);

type Call = (mapping: Mapping, argument: never) => unknown;
const bytes = (mapping: Mapping) => mapping.view(Uint8Array);
const cells = (mapping: Mapping) => mapping.view(Int32Array);

const ours: Record<string, Call> = {
  view: (m, a) => m.view(Uint8Array, a),
  'view, length': (m, a) => m.view(Uint8Array, 0, a),
  windows: (m, a) => m.windows(Uint8Array, a),
  flushSync: (m, a) => m.flushSync(a),
  'flushSync, length': (m, a) => m.flushSync(0, a),
  resize: (m, a) => m.resize(a),
  slide: (m, a) => m.slide(a),
  advise: (m, a) => m.advise('normal', a),
  'advise, word': (m, a) => m.advise(a),
  lock: (m, a) => m.lock(a),
  unlock: (m, a) => m.unlock(a),
  protect: (m, a) => m.protect('read', a),
  residency: (m, a) => m.residency(a),
  msync: (m, a) => msync(m.bytes, a),
  'msync, region': (_, a) => msync(a, MS.SYNC),
  mprotect: (m, a) => mprotect(m.bytes, a),
  madvise: (m, a) => madvise(m.bytes, a),
  mremap: (m, a) => mremap(m.buffer, a),
  mmap: (_, a) => mmap(a, PROT.READ, MAP.PRIVATE | MAP.ANONYMOUS),
};

const theirs: Record<string, Call> = {
  'fill, value': (m, a) => bytes(m).fill(a),
  'fill, start': (m, a) => bytes(m).fill(1, a),
  'fill, end': (m, a) => bytes(m).fill(1, 0, a),
  copyWithin: (m, a) => bytes(m).copyWithin(a, 1),
  'copyWithin, end': (m, a) => bytes(m).copyWithin(0, 1, a),
  'set, offset': (m, a) => bytes(m).set([1, 2], a),
  'set, element': (m, a) => bytes(m).set([0, a, 3]),
  indexOf: (m, a) => bytes(m).indexOf(1, a),
  lastIndexOf: (m, a) => bytes(m).lastIndexOf(1, a),
  includes: (m, a) => bytes(m).includes(1, a),
  subarray: (m, a) => bytes(m).subarray(a),
  slice: (m, a) => bytes(m).slice(a),
  'slice of the buffer': (m, a) => m.buffer.slice(a),
  at: (m, a) => bytes(m).at(a),
  join: (m, a) => bytes(m).join({ toString: () => `${+a}` } as never),
  'an element': (m, a) => {
    bytes(m)[3] = a;
  },
  setFloat64: (m, a) => m.view(DataView).setFloat64(0, a),
  getFloat64: (m, a) => m.view(DataView).getFloat64(a),
  'a new view': (m, a) => new Uint8Array(m.buffer, a),
  'Atomics.store': (m, a) => Atomics.store(cells(m), 0, a),
  'Atomics.add': (m, a) => Atomics.add(cells(m), 0, a),
  'Atomics.exchange': (m, a) => Atomics.exchange(cells(m), 0, a),
  'Atomics.compareExchange': (m, a) => Atomics.compareExchange(cells(m), 0, 0, a),
  'Atomics.load': (m, a) => Atomics.load(cells(m), a),
};

function attempt(name: string, call: Call): Outcome {
  const mapping = map(path, { access: 'write' });
  let asked = false;
  const argument = {
    valueOf() {
      asked = true;
      mapping.unmap();
      return 4;
    },
  };
  let end = 'returned';
  try {
    call(mapping, argument as never);
  } catch (error) {
    const { code, name: kind } = error as Error & { code?: string };
    end = code ?? kind;
  }
  const { closed, faults } = mapping;
  mapping.unmap();
  return { name, end, asked, closed, faults: faults.length };
}

const all = (calls: Record<string, Call>) =>
  Object.entries(calls).map(([name, call]) => attempt(name, call));
console.log(JSON.stringify({ ours: all(ours), theirs: all(theirs) }));
