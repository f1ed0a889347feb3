// Example 4, with a real fork(2): the mapping is made before it, the child counts in C, the parent
// here. Shared anonymous memory stays one memory for both; of private memory the child got a copy.
//
//   node out/examples/counter-fork.js

import { anonymous } from 'memmap';
import { forkHelper } from './fork-helper.js';

const helper = forkHelper();
if (helper === undefined) throw new Error('the native test programs have not been built');

const TIMES = 1000;
const INT = Int32Array.BYTES_PER_ELEMENT;

function childEnded(pid: number): void {
  const { code, signal } = helper!.waitPid(pid);
  if (code !== 0) throw new Error(`the child ended with code ${code}, signal ${signal}`);
}

function count(shared: boolean, atomic: boolean): number {
  const counter = anonymous(INT, { shared });
  const cells = counter.view(Int32Array);
  const child = helper!.forkAdd(cells, 0, TIMES, atomic);
  for (let i = 0; i < TIMES; i++) {
    if (atomic) Atomics.add(cells, 0, 1);
    else cells[0]!++;
  }
  childEnded(child);
  const total = Atomics.load(cells, 0);
  counter.unmap();
  return total;
}

console.log(`Shared, with ++: ${count(true, false)}`);
console.log(`Shared, with Atomics.add: ${count(true, true)}`);
console.log(`Private, with Atomics.add: ${count(false, true)}`);
