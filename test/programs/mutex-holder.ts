// Takes the lock at byte 0 of the memory that is descriptor 3, as it is told, says so, and ends, or waits
// to be killed.
//
//   mutex-holder lock|lockSync|tryLock  exit|return|stay

import { SharedMemory } from 'memmap';
import { Mutex } from 'memmap/sync';

const [way = '', end = ''] = process.argv.slice(2);
const mutex = new Mutex(SharedMemory.adopt(3), 0);
const held = await mutex[way as 'lock' | 'lockSync' | 'tryLock']();
console.log(`held ${held?.ownerDied}`);
if (end === 'exit') process.exit(7);
if (end === 'stay') setInterval(() => {}, 1000);
