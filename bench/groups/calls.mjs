// The calls beside their system calls in C: mapping and unmapping, flushing, sliding, the first touch of a page.
import { map } from '../../lib/index.js';
import { MIB, makeFile, PAGE } from '../files.mjs';
import { figure, finish, nanoseconds, nanosecondsOf, times } from '../harness.mjs';
import { mapBench } from '../in-c.mjs';

const FILE = 64 * MIB;
const path = makeFile('calls.bin', FILE);
const c = mapBench();

// Short turns and many of them, since the processor's clock changes between one and the next.
const few = times(300, 10);
await figure('map', { title: 'Map and unmap a path', unit: 'ns', rounds: 121 }, [
  { name: 'C: open, mmap, munmap, close', call: () => c.ask('map', path, few) },
  {
    name: 'map(path).unmap()',
    than: 'C: open, mmap, munmap, close',
    call: () =>
      nanoseconds(few, (count) => {
        for (let i = 0; i < count; i++) map(path).unmap();
      }),
  },
]);

function touch(rounds) {
  let nanos = 0n;
  let sum = 0;
  for (let i = 0; i < rounds; i++) {
    const mapping = map(path);
    const bytes = mapping.view(Uint8Array);
    const begin = process.hrtime.bigint();
    for (let at = 0; at < FILE; at += PAGE) sum += bytes[at];
    nanos += process.hrtime.bigint() - begin;
    mapping.unmap();
  }
  if (sum < 0) throw new Error('never: it keeps the loop');
  return Number(nanos) / (rounds * (FILE / PAGE));
}
await figure('touch', { title: 'First touch of each page, in the page cache', unit: 'ns a page' }, [
  { name: 'C', call: () => c.ask('touch', path, times(4)) },
  { name: 'typed array', than: 'C', call: () => touch(times(4)) },
]);

{
  const mapping = map(path, { access: 'write' });
  const bytes = mapping.view(Uint8Array, 0, 1024 * PAGE);
  const flushes = times(100, 4);
  await figure('flush', { title: 'Change a page and flush it', unit: 'ns', rounds: 25 }, [
    { name: 'C: msync', call: () => c.ask('flush', path, flushes) },
    {
      name: 'flushSync(offset, 4096)',
      than: 'C: msync',
      call: () =>
        nanoseconds(flushes, (count) => {
          for (let i = 0; i < count; i++) {
            const at = (i % 1024) * PAGE;
            bytes[at]++;
            mapping.flushSync(at, PAGE);
          }
        }),
    },
    {
      name: 'await flush(offset, 4096)',
      than: 'C: msync',
      call: () =>
        nanosecondsOf(flushes, async (count) => {
          for (let i = 0; i < count; i++) {
            const at = (i % 1024) * PAGE;
            bytes[at]++;
            await mapping.flush(at, PAGE);
          }
        }),
    },
  ]);

  const PAGES = 16;
  const step = 1024 / PAGES;
  const ranges = Array.from({ length: PAGES }, (_, i) => [i * step * PAGE, PAGE]);
  const change = () => {
    for (const [at] of ranges) bytes[at]++;
  };
  const some = times(20, 2);
  await figure(
    'scattered',
    { title: `Change ${PAGES} scattered pages and flush them`, unit: 'ns' },
    [
      { name: 'C: msync of each', call: () => c.ask('scattered', path, some, PAGES) },
      {
        name: 'flushSync of each',
        than: 'C: msync of each',
        call: () =>
          nanoseconds(some, (count) => {
            for (let i = 0; i < count; i++) {
              change();
              for (const [at, length] of ranges) mapping.flushSync(at, length);
            }
          }),
      },
      {
        name: 'await flush(ranges)',
        than: 'C: msync of each',
        call: () =>
          nanosecondsOf(some, async (count) => {
            for (let i = 0; i < count; i++) {
              change();
              await mapping.flush(ranges);
            }
          }),
      },
    ],
  );
}

{
  const WINDOW = MIB;
  const mapping = map(path, { length: WINDOW });
  const bytes = mapping.view(Uint8Array);
  const last = FILE - WINDOW;
  const slide = (count) => {
    for (let i = 0, at = 0; i < count; i++) {
      at = at === last ? 0 : at + WINDOW;
      mapping.slide(at);
    }
  };
  const slideAndRead = (count) => {
    let sum = 0;
    for (let i = 0, at = 0; i < count; i++) {
      at = at === last ? 0 : at + WINDOW;
      mapping.slide(at);
      for (let k = 0; k < WINDOW; k += PAGE) sum += bytes[k];
    }
    return sum;
  };
  const many = times(1000, 10);
  await figure(
    'slide',
    { title: 'Slide a window of 1 MiB that nobody reads', unit: 'ns', rounds: 121 },
    [
      { name: 'C: mmap(MAP_FIXED)', call: () => c.ask('slide', path, many, WINDOW) },
      { name: 'C: lseek, mmap(MAP_FIXED)', call: () => c.ask('sizedslide', path, many, WINDOW) },
      {
        name: 'slide(offset)',
        than: ['C: mmap(MAP_FIXED)', 'C: lseek, mmap(MAP_FIXED)'],
        call: () => nanoseconds(many, slide),
      },
    ],
  );
  const reads = times(100, 10);
  await figure(
    'slide-read',
    { title: 'Slide a window of 1 MiB and read a byte of each page', unit: 'ns', rounds: 61 },
    [
      { name: 'C: mmap(MAP_FIXED)', call: () => c.ask('readslide', path, reads, WINDOW) },
      {
        name: 'slide(offset)',
        than: 'C: mmap(MAP_FIXED)',
        call: () => nanoseconds(reads, slideAndRead),
      },
    ],
  );
}

c.end();
finish();
