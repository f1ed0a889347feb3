// What the figures have to show: bench/check.mjs looks whether they do.
export const targets = [
  {
    what: 'Reading a mapping, of reading a heap typed array',
    figures: [
      'words 64 MiB',
      'words 256 KiB',
      'doubles 64 MiB',
      'doubles 256 KiB',
      'random 64 MiB',
      'random 256 KiB',
    ],
    name: 'mapping',
    than: 'heap',
    most: 1.05,
  },
  {
    what: 'flushSync() of a page, of msync(2) in C',
    figures: ['flush'],
    name: 'flushSync(offset, 4096)',
    than: 'C: msync',
    most: 1.1,
  },
  {
    what: 'slide(), of mmap(MAP_FIXED) in C',
    figures: ['slide', 'slide-read'],
    name: 'slide(offset)',
    than: 'C: mmap(MAP_FIXED)',
    most: 1.3,
  },
  {
    what: 'map() and unmap() of a path, of open, mmap, munmap and close in C',
    figures: ['map'],
    name: 'map(path).unmap()',
    than: 'C: open, mmap, munmap, close',
    most: 2,
  },
  {
    what: 'wait() and notify() between two processes, of futex(2) in C',
    figures: ['round trip, free', 'round trip, one processor'],
    name: 'wait and notify',
    than: 'C: futex(2)',
    most: 1.3,
  },
];
/** Milliseconds that importing the package may take longer than importing an empty module. */
export const importTarget = { figure: 'import', name: 'memmap', than: 'an empty module', most: 5 };

/** Cases that are what people use instead are compared with one of these, and should cost more. */
export const ours = [
  'memmap',
  'memmap, one buffer',
  'memmap, copied out',
  'memmap, flushSync of its page',
  'wait and notify',
  'channel',
  'channel, ready and drain',
  'a mapping each',
];
