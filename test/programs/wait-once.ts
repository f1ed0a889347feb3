// Waits on the first word of the memory that is descriptor 3, and prints what came of it.

import { SharedMemory } from 'memmap';
import { wait } from 'memmap/sync';

const cell = new Int32Array(SharedMemory.adopt(3).buffer);
console.log('there');
console.log(wait(cell, 0, 0));
