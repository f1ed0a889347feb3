// Without the guard, a forked child that touches a page past the end of its file dies of it. Prints
// how it ended. It is a program of its own because the guard is chosen before the first mapping.
//
//   fork-unguarded PATH

import { truncateSync } from 'node:fs';
import { map, setGuard } from 'memmap';
import { forkTouch } from '../support/fork.js';

setGuard(false);
const path = process.argv[2] ?? '';
const mapping = map(path, { access: 'write' });
const { bytes } = mapping;
truncateSync(path, 0);
console.log(JSON.stringify(forkTouch(bytes, 0)));
