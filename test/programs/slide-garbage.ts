// Slides a window of 64 MiB over a sparse file and counts what the runtime's own events say of collections.
// Prints a line of JSON.
//
//   node --expose-gc slide-garbage PATH WINDOWS

import { openSync, statSync, writeSync } from 'node:fs';
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { map } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { until } from '../support/until.js';

const [path = '', windows = ''] = process.argv.slice(2);
const LENGTH = 64 << 20;
const size = statSync(path).size;
const count = Number(windows);
const step = Math.floor((size - LENGTH) / (count - 1) / PAGE_SIZE) * PAGE_SIZE;

const counts = new Map<number, number>();
const observer = new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const { kind } = (entry as unknown as { detail: { kind: number } }).detail;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
});
observer.observe({ entryTypes: ['gc'] });
const full = () => counts.get(constants.NODE_PERFORMANCE_GC_MAJOR) ?? 0;

/** Provokes one, and returns when the observer has told of it: it has of all before, too. */
async function provoke(): Promise<number> {
  const before = full();
  (globalThis as { gc?: () => void }).gc?.();
  await until('the observer tells of the collection', () => full() > before);
  return full() - before;
}

// The window's buffer is made once, which V8 counts; the slides come after.
const mapping = map(path, { length: LENGTH, advice: 'random' });
const { bytes } = mapping;
const file = openSync(path, 'r+');
await provoke();
const shown = await provoke();

const before = full();
let right = 0;
for (let i = 0; i < count; i++) {
  const offset = i * step;
  if (i % 100 === 0) writeSync(file, Uint8Array.of(1 + (i % 250)), 0, 1, offset + 99);
  const there = mapping.slide(offset);
  if (there === LENGTH && bytes[99] === (i % 100 === 0 ? 1 + (i % 250) : 0)) right++;
  if (i % 500 === 0) await turn(); // finalizers and events have their turn
}
for (let i = 0; i < 10; i++) await turn();
const caused = full() - before;
const after = await provoke();
console.log(
  JSON.stringify({
    right,
    caused,
    shown,
    after,
    last: mapping.offset,
    same: bytes === mapping.bytes,
  }),
);
