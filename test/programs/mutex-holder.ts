// Locks the Mutex at the beginning of the memory behind descriptor 4, says so in the cell at byte 64, and
// holds it until the process is killed.
import { SharedMemory } from 'memmap';
import { Mutex } from 'memmap/sync';

const memory = SharedMemory.adopt(4);
new Mutex(memory, 0).lockSync();
Atomics.store(memory.view(Int32Array, 64, 1), 0, 1);
process.on('message', () => {});
