// Example 4, the child: started by counter.ts, which hands it the memory.

import { once } from 'node:events';
import { inherited } from 'memmap';

const cells = inherited('counter').view(Int32Array);

const go = once(process, 'message');
process.send!('ready');
await go;

for (let i = 0; i < 1000; i++) cells[0]!++;
for (let i = 0; i < 1000; i++) Atomics.add(cells, 1, 1);

process.disconnect(); // nothing else keeps this process running
