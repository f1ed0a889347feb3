// The guard: memory that can no longer be touched. Each case is a process of its own, which must live.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PAGE_SIZE as P } from 'memmap/posix';
import { describe, expect, test } from 'vitest';
import { smallTmpfs } from './support/mount.js';
import { type Options, program, run } from './support/program.js';
import { tempDir } from './support/temp.js';

/** Four pages, each filled with its number, from 1. */
function fourPages(directory = tempDir()): string {
  const path = join(directory, 'four.dat');
  writeFileSync(path, Buffer.concat([1, 2, 3, 4].map((n) => Buffer.alloc(P, n))));
  return path;
}

async function live(scenario: string, path: string, where = 'main', options: Options = {}) {
  const { node = [], ...rest } = options;
  const { code, signal, stdout, stderr } = await run(
    program('guard-faults'),
    [scenario, path, where],
    { node: ['--no-warnings', '--expose-gc', ...node], ...rest },
  );
  const talk = node.length === 0 ? stderr : ''; // the inspector says where it listens
  expect({ code, signal, talk }, stderr).toEqual({ code: 0, signal: null, talk: '' });
  return JSON.parse(stdout) as Record<string, unknown>;
}

const fault = (kind: string, offset: number, length: number) => ({ kind, offset, length });
/** The one warning of a mapping of the four pages, and what it told. */
const warned = (...faults: object[]) => [
  { name: 'MappingWarning', code: 'MEMMAP_FAULT', named: true, faults },
];
const refused = (...faults: object[]) => ({
  faults,
  flush: { code: 'ERR_MAPPING_FAULT', faults },
  flushSync: 'ERR_MAPPING_FAULT',
});

/** Scenario, what the program prints, and the file afterwards where it is a matter of interest. */
const cases: [string, object][] = [
  [
    'truncatedRead',
    {
      first: [0, 1],
      // From the page that was touched to the end: gone as well, and one patch.
      faultsBefore: [fault('truncated', 2 * P, 2 * P)],
      second: [0, 0],
      ...refused(fault('truncated', P, 3 * P)),
      survived: 2,
      warnings: warned(fault('truncated', P, 3 * P)),
    },
  ],
  [
    'truncatedWrite',
    {
      values: [8, 0, 9, 0, 0],
      good: ['resolved', 'returned'],
      size: P + 1,
      again: [9, 0, 8],
      ranges: refused(fault('truncated', 2 * P, 2 * P)).flush,
      ...refused(fault('truncated', 2 * P, 2 * P)),
      survived: 2,
      warnings: warned(fault('truncated', 2 * P, 2 * P)),
    },
  ],
  [
    'truncatedCopy',
    {
      values: [0, 0, 0],
      faults: [fault('truncated', 0, 4 * P)],
      flushSync: 'ERR_MAPPING_ACCESS',
      survived: 3,
      warnings: warned(fault('truncated', 0, 4 * P)),
    },
  ],
  [
    'truncatedAtOffset',
    {
      values: [0, 2],
      good: 'resolved',
      ...refused(fault('truncated', 3 * P, P)),
      survived: 1,
      warnings: warned(fault('truncated', 3 * P, P)),
    },
  ],
  [
    'truncatedInLoop',
    { before: 10 * P, after: P, survived: 1, warnings: warned(fault('truncated', P, 3 * P)) },
  ],
  ['truncatedInPool', { zeros: true, survived: 1, warnings: warned(fault('truncated', 0, 4 * P)) }],
  [
    'readOnly',
    {
      values: [2, 99, 2, 1],
      good: 'resolved',
      same: true,
      ...refused(fault('read-only', P, P)),
      survived: 1,
      warnings: warned(fault('read-only', P, P)),
    },
  ],
  [
    'readOnlyEverywhere',
    {
      all: true,
      same: true,
      ...refused(fault('read-only', 0, 4 * P)),
      survived: 4,
      warnings: warned(fault('read-only', 0, 4 * P)),
    },
  ],
  [
    'posix',
    {
      values: [0, 0, 1, 2],
      survived: 3,
      warnings: [
        { ...warned()[0], named: false, faults: [fault('unmapped', 0, 2 * P)] },
        { ...warned()[0], named: false, faults: [fault('read-only', 0, P)] },
      ],
    },
  ],
  [
    'executeOnly',
    {
      values: [7, 8, 7],
      survived: 1,
      warnings: [{ ...warned()[0], named: false, faults: [fault('unmapped', 0, P)] }],
    },
  ],
  [
    'posixSync',
    {
      before: 'returned',
      all: ['ERR_MAPPING_FAULT', 'ERR_MAPPING_FAULT', 'EINVAL'],
      parts: ['returned', 'ERR_MAPPING_FAULT'],
      faults: [fault('truncated', 2 * P, 2 * P)],
      survived: 1,
      warnings: warned(fault('truncated', 2 * P, 2 * P)),
    },
  ],
  [
    'retired',
    {
      before: [4 * P, 2],
      after: [0, 0],
      all: true,
      same: 2,
      faults: [fault('unmapped', 0, 4 * P)],
      survived: 3,
      // It has no file any more whose name could be told.
      warnings: [{ ...warned()[0], named: false, faults: [fault('unmapped', 0, 4 * P)] }],
    },
  ],
  [
    'forgotten',
    { collected: true, survived: 1, warnings: warned(fault('truncated', 2 * P, 2 * P)) },
  ],
  [
    'recorded',
    {
      before: [fault('truncated', 2 * P, 2 * P)],
      after: [fault('truncated', 2 * P, 2 * P)],
      regions: 0,
      survived: 1,
      warnings: warned(fault('truncated', 2 * P, 2 * P)),
    },
  ],
  [
    'warnings',
    {
      survived: 8,
      warnings: [...warned(fault('truncated', 0, 4 * P)), ...warned(fault('truncated', 3 * P, P))],
    },
  ],
];

describe.each(['main', 'worker'])('in the %s thread', (where) => {
  test.each(cases)('%s', async (scenario, printed) => {
    expect(await live(scenario, fourPages(), where)).toEqual(printed);
  });
});

describe('under a debugger', () => {
  const some = cases.filter(([name]) => ['truncatedRead', 'readOnly', 'warnings'].includes(name));
  test.each(some)('%s', async (scenario, printed) => {
    const options = { node: ['--inspect=0'] };
    expect(await live(scenario, fourPages(), 'main', options)).toEqual(printed);
  });
});

test('a full disk: the process lives, the pages are told, and flush rejects', async (context) => {
  const path = fourPages(smallTmpfs(context, 8 * P));
  const { lost, kinds, flush, survived, warnings } = await live('noSpace', path);
  // What was written is there to be read, in the file or not.
  expect(lost).toEqual([]);
  expect(kinds).toEqual(['no-space']);
  expect(flush).toMatchObject({ code: 'ERR_MAPPING_FAULT' });
  expect(survived).toBeGreaterThan(0);
  expect(warnings).toMatchObject([{ code: 'MEMMAP_FAULT', named: true }]);
  const file = readFileSync(path);
  expect(file.length).toBe(64 * P);
  // The pages that there was room for are the file's.
  expect([0, 1, 2, 3].map((page) => file[page * P])).toEqual([0, 1, 2, 3]);
  expect(file[63 * P]).toBe(0);
});
