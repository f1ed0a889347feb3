// Example 4, the way of a Node program: parent and child add 1 to shared memory a thousand times
// each. child_process.fork starts a new program rather than copying this one, so the memory is
// handed over by share() and found again by inherited(), in counter-child.ts.
//
//   node out/examples/counter.js

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { SharedMemory, share } from 'memmap';

const counter = SharedMemory.create(2 * Int32Array.BYTES_PER_ELEMENT);
const cells = counter.view(Int32Array);

const program = fileURLToPath(new URL('./counter-child.js', import.meta.url));
const child = fork(program, [], share({ counter }));
const exited = once(child, 'exit');
await once(child, 'message'); // it is ready
child.send('go'); // from here on both are counting

for (let i = 0; i < 1000; i++) cells[0]!++; // load, add, store: what comes between is lost
for (let i = 0; i < 1000; i++) Atomics.add(cells, 1, 1); // one step that nothing comes between

const [code] = await exited;
if (code !== 0) throw new Error(`the child ended with ${code}`);
console.log(`With ++: ${cells[0]}`);
console.log(`With Atomics.add: ${cells[1]}`);
counter.unmap();
