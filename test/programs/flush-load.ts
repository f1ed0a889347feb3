// Flushes many dirty pages and looks at the event loop meanwhile. Prints a line of JSON.
//
//   node flush-load PATH BYTES

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { map } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';

const [path = '', size = ''] = process.argv.slice(2);
const mapping = map(path, { access: 'write', create: true, length: Number(size) });
mapping.bytes.fill(1);
const dirty = mapping.usage().sharedDirty + mapping.usage().privateDirty;

const delay = monitorEventLoopDelay({ resolution: 1 });
let timers = 0;
let turns = 0;
const interval = setInterval(() => timers++, 1);
await turn();
delay.enable();
timers = 0;
let ended = false;
const begin = performance.now();
const flush = mapping.flush().finally(() => {
  ended = true;
});
const called = performance.now() - begin;
while (!ended) {
  await turn();
  turns++;
}
await flush;
const took = performance.now() - begin;
delay.disable();
clearInterval(interval);
const { sharedDirty, privateDirty } = mapping.usage();
console.log(
  JSON.stringify({
    dirty,
    left: sharedDirty + privateDirty,
    timers,
    turns,
    ms: { flush: took, call: called, maxDelay: delay.max / 1e6, meanDelay: delay.mean / 1e6 },
    pages: mapping.length / PAGE_SIZE,
  }),
);
