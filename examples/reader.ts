// Example 1, second half: prints what the writer stored in the shared file, and replies there.
//
//   node out/examples/reader.js [PATH]

import { closeSync, openSync } from 'node:fs';
import { MAP, mmap, PROT } from 'memmap/posix';
import { cString, putCString } from './c-string.js';

const SIZE = 64;
const path = process.argv[2] ?? 'shared.dat';

const fd = openSync(path, 'r+'); // ENOENT: start the writer first
const text = new Uint8Array(mmap(SIZE, PROT.READ | PROT.WRITE, MAP.SHARED, fd));
closeSync(fd); // the mapping holds the file by itself

console.log(`Reader sees: ${cString(text)}`);
putCString(text, 'Reader replied!');
