// Shared libraries are the everyday use of MAP_PRIVATE: the loader maps their code privately, and
// as nobody writes to it, all processes have the same clean pages. This package's add-on is such a
// library. Here two processes have loaded it, and the kernel says how its code is mapped.
//
//   node out/examples/shared-library.js

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fsyncSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stats } from 'memmap';

stats(); // any call runs the add-on's code

// Started again as the second process: be there until the first has looked.
if (process.send) {
  process.send('loaded');
  await once(process, 'disconnect');
  process.exit();
}

const second = fork(fileURLToPath(import.meta.url));
await once(second, 'message');

/** The area of smaps(5) that is the add-on's code: a line as in /proc/self/maps, then numbers. */
function textSegment(): string {
  const areas = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const text = areas.find((area) => /^\S+ r-x. .*\/memmap[^/]*\.node\n/.test(area));
  if (text === undefined) throw new Error('the add-on has no text segment');
  return text;
}

// Pages count as dirty until the file is on the disk, and this one may have been built just now.
const line = textSegment().split('\n', 1)[0] ?? '';
const fd = openSync(line.slice(line.indexOf('/')), 'r');
fsyncSync(fd);
closeSync(fd);

console.log(line); // its second word ends with p: private
console.log(`Shared_Clean: ${/^Shared_Clean: +(\d+) kB$/m.exec(textSegment())?.[1]} kB`);
second.disconnect();
