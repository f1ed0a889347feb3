// What crashed other packages. Each case runs in a process of its own, which ends with code 0 and has
// printed the errors that it was to see.

import { PAGE_SIZE } from 'memmap/posix';
import { expect, type TestContext, test } from 'vitest';
import { smallTmpfs } from './support/mount.js';
import { program, run } from './support/program.js';
import { tempDir } from './support/temp.js';

const node = ['--expose-gc', '--no-warnings'];
const MiB = 1 << 20;

async function child(file: string, name: string, directory: string, ...more: string[]) {
  const { stdout, stderr, ...ended } = await run(program(file), [name, directory, ...more], {
    node,
    watchdog: 120_000,
  });
  expect({ ...ended, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  return JSON.parse(stdout) as unknown;
}

type Case = [name: string, seen: unknown, directory?: (context: TestContext) => string];
const small = (context: TestContext) => smallTmpfs(context, 4 * MiB);
const TYPE = 'ERR_INVALID_ARG_TYPE';
const RANGE = 'ERR_OUT_OF_RANGE';
const FAULT = 'ERR_MAPPING_FAULT';
const CLOSED = 'ERR_MAPPING_CLOSED';

const cases: Case[] = [
  ['truncated', { before: 7, after: [7, 0], kinds: ['truncated'], errors: [FAULT, FAULT] }],
  [
    'read-only',
    { byte: 1, kinds: ['read-only'], flush: FAULT, resize: 'ERR_MAPPING_ACCESS', file: true },
  ],
  [
    'disk-full',
    { kinds: ['no-space'], kept: 1, flush: FAULT, flushSync: FAULT, alloc: 'ENOSPC' },
    small,
  ],
  ['shm-full', { full: true, sync: FAULT }, small],
  [
    'after-unmap',
    {
      lengths: [0, 0, 32_768],
      read: [null, null, 0],
      errors: [CLOSED, CLOSED],
      kinds: ['unmapped'],
      file: 7,
    },
  ],
  ['io-in-flight', { read: 'EFAULT', untouched: true, short: true, honest: true, zeros: false }],
  ['unmap-twice', [TYPE, TYPE]],
  ['worker-terminated', { seen: ['[1048576,3,4,false]'], rounds: 12, intact: true }],
  [
    'arguments',
    {
      'sync({})': TYPE,
      'sync(SharedArrayBuffer)': TYPE,
      'sync(foreign)': TYPE,
      'sync(foreign view)': TYPE,
      'munmap(foreign)': TYPE,
      'munmap(view)': TYPE,
      'from(foreign)': TYPE,
      'from({})': TYPE,
      'new Mapping()': TYPE,
      'advise past the end': RANGE,
      'advise too long': RANGE,
      'advise before the beginning': RANGE,
      'advise with a huge length': RANGE,
      'unknown advice': 'EINVAL',
      'a view out of bounds': RANGE,
      borrowed: [],
    },
  ],
  [
    'offsets',
    {
      length: 5e9,
      seen: [
        '2147483648: 10',
        '3221225472: 11',
        '4294967296: 12',
        '4999999999: 13',
        '2147483648: 99, 0',
        '3221225472: 99, 0',
        '4294967296: 99, 0',
        '5368709120: 99, 0',
      ],
      past: RANGE,
    },
  ],
  ['two-buffers', { same: true, lengths: [0, 0], file: 55, buffer: CLOSED }],
];

test.for(cases)('%s', async ([name, seen, directory = tempDir], context) => {
  expect(await child('kill-list', name, directory(context))).toEqual(seen);
});

const ENOMEM = { code: 'ENOMEM', errno: -12, syscall: 'mmap' };
const CUT = { sum: 7, kinds: ['truncated'] };
const full = {
  error: ENOMEM,
  also: ENOMEM,
  many: true,
  below: true,
  alive: 42,
  faulted: CUT,
  again: PAGE_SIZE,
};
const limits: Case[] = [
  ['anonymous mappings until vm.max_map_count', full],
  ['private mappings until vm.max_map_count', full],
  ['mappings with buffers until vm.max_map_count', full],
  [
    'mappings of files until EMFILE',
    {
      error: { code: 'EMFILE', errno: -24, syscall: 'open' },
      many: true,
      readable: true,
      faulted: CUT,
      again: PAGE_SIZE,
    },
  ],
  ['several workers at once', { seen: [JSON.stringify([0, ['truncated'], FAULT])], faults: true }],
  ['under two paths', ['true', '2', JSON.stringify(CUT), '"trapped"']],
];

test.for(limits)('%s', async ([name, seen]) => {
  expect(await child('kill-limits', name, tempDir())).toEqual(seen);
});
