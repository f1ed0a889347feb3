// Example 1, first half: two programs that know nothing of each other share 64 bytes of a file.
//
//   node out/examples/writer.js [PATH]        then, in another terminal:
//   node out/examples/reader.js [PATH]
//
// There is no msync: both map the same pages of the kernel's page cache, so what one of them
// stores, the other loads. msync is about the disk.

import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ftruncate, MAP, mmap, PROT } from 'memmap/posix';
import { cString, putCString } from './c-string.js';

const SIZE = 64;
const PATIENCE_MS = 60_000;
const path = process.argv[2] ?? 'shared.dat';

const fd = openSync(path, 'w+'); // made if missing, emptied if not
ftruncate(fd, SIZE);
const text = new Uint8Array(mmap(SIZE, PROT.READ | PROT.WRITE, MAP.SHARED, fd));
closeSync(fd); // the mapping holds the file by itself

putCString(text, 'Hello from writer!');
// Before anybody is told of it: a quick reader may have replied by the time that the line is out.
const greeting = Atomics.load(text, 0);
console.log(`Writer wrote: ${cString(text)}`);

// The reader stores the first byte of its reply last. So a new first byte says that the rest is
// there too; a look at the whole text could catch it half written.
const deadline = Date.now() + PATIENCE_MS;
while (Atomics.load(text, 0) === greeting) {
  if (Date.now() > deadline) throw new Error(`no reply within ${PATIENCE_MS / 1000} seconds`);
  await sleep(1);
}
console.log(`Writer sees now: ${cString(text)}`);
