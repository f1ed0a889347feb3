// Mappings to which nothing refers but the call that is under way, while the collector runs all the time. Prints how
// many calls were made, and the errors of those that failed, as JSON.
//
//   temporaries PATH ROUNDS      (node --expose-gc --gc-interval=97 --no-warnings)
import { writeFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { type Mapping, map, SharedMemory, stats } from 'memmap';
import { Mutex } from 'memmap/sync';
import { collected } from '../support/gc.js';

const [path = '', rounds = ''] = process.argv.slice(2);
writeFileSync(path, new Uint8Array(65_536));
const temporary = (): Mapping => map(path, { access: 'write', length: 8192 });

const CALLS: (() => unknown)[] = [
  () => temporary().slide(4096),
  () => temporary().refresh(),
  () => temporary().usage(),
  () => temporary().residency(),
  () => temporary().bytes[8191],
  () => temporary().view(Uint8Array, 4096)[4095],
  () => temporary().sharedBuffer.byteLength,
  () => temporary().flushSync(),
  () => temporary().flush(),
  () => temporary().advise('random'),
  () => temporary().faults,
  () => temporary().unmap(),
  () => new Mutex(SharedMemory.create(4096), 0).tryLock()?.unlock(),
];

let calls = 0;
const errors: string[] = [];
for (let round = 0; round < Number(rounds); round++) {
  for (const [index, call] of CALLS.entries()) {
    calls++;
    try {
      await call();
    } catch (error) {
      errors.push(`${index}: ${error}`);
    }
  }
  if (round % 20 === 0) await turn(); // finalizers
}
await collected('the mappings', () => stats().regions === 0 && stats().descriptors === 0);
console.log(JSON.stringify({ calls, errors }));
