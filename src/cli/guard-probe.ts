// Started by the doctor as a process of its own, which dies here where the guard does not work: a file is cut
// under its mapping, and read there.
import { ftruncateSync } from 'node:fs';
import { map } from '../map.js';
import { memfd_create, PAGE_SIZE } from '../posix.js';

const fd = memfd_create('memmap-doctor');
ftruncateSync(fd, PAGE_SIZE);
const mapping = map(fd);
ftruncateSync(fd, 0);
const [byte] = mapping.bytes;
const survived = byte === 0 && mapping.faults[0]?.kind === 'truncated';
// The end of the channel to the doctor is not waited for.
process.exit(survived ? 0 : 1);
