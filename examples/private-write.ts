// Example 2: a private mapping is copied on the first write to each page. The program sees its
// own bytes; the file, and everybody else, keeps the old ones.
//
//   node out/examples/private-write.js [PATH]

import { readFileSync, writeFileSync } from 'node:fs';
import { map } from 'memmap';

const path = process.argv[2] ?? 'private_test.txt';
writeFileSync(path, 'ORIGINAL CONTENT');

const mapping = map(path, { access: 'copy' }); // MAP_PRIVATE with read and write
console.log(`Before: ${mapping.bytes}`);

mapping.bytes.write('MODIFIED CONTENT');
console.log(`In memory after: ${mapping.bytes}`);
mapping.unmap();

console.log(`The file, read again: ${readFileSync(path)}`);
