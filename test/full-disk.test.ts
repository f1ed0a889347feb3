// File systems of 4 MiB that are filled, and a device that fails: the process lives, and is told.

import { describe, expect, type TestContext, test } from 'vitest';
import { smallExt4, smallTmpfs } from './support/mount.js';
import { program, run } from './support/program.js';

const MiB = 1 << 20;
const SIZE = 4 * MiB;
const FAULT = 'ERR_MAPPING_FAULT with faults';

async function child(name: string, directory: string, length: number): Promise<unknown> {
  const { stdout, ...ended } = await run(program('full-disk'), [name, directory, String(length)], {
    node: ['--no-warnings'],
  });
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  return JSON.parse(stdout);
}

const fileSystems: [string, (context: TestContext) => string][] = [
  ['tmpfs', (context) => smallTmpfs(context, SIZE)],
  ['ext4', (context) => smallExt4(context, SIZE)],
];

describe.for(fileSystems)('a full %s', ([, make]) => {
  test('through a sparse mapping: the process lives, and a flush rejects', async (context) => {
    expect(await child('sparse', make(context), 4 * SIZE)).toEqual({
      before: 'resolved',
      sound: true,
      kinds: ['no-space'],
      all: true,
      behind: 0,
      bounded: true,
      errors: [FAULT, FAULT, FAULT, FAULT],
      closed: true,
    });
  });

  test('without `sparse`: ENOSPC, and nothing has changed', async (context) => {
    const ENOSPC = 'ENOSPC fallocate';
    expect(await child('allocated', make(context), 4 * SIZE)).toEqual({
      made: ENOSPC,
      there: false,
      extended: ENOSPC,
      text: 'a few bytes',
      resized: ENOSPC,
      same: true,
      flush: 'resolved',
      tail: [9, 8192, 0],
    });
  });
});

test('a device that fails: the flush rejects, and no later one ever resolves', async (context) => {
  const directory = smallExt4(context, 16 * MiB, 6 * MiB);
  const seen = (await child('failing', directory, 12 * MiB)) as Record<string, unknown>;
  const [first, ...later] = seen['errors'] as string[];
  expect(first).toMatch(/^(EIO|ENOSPC) msync$/);
  const code = first?.split(' ')[0];
  expect(later.length).toBe(7);
  expect([...new Set(later)]).toEqual([`ERR_MAPPING_POISONED ${code}`]);
  // The package's own description has taken none of it from the others.
  expect(seen['fsync']).toBe(`${code} fsync`);
  expect(seen['other']).toEqual([first, `ERR_MAPPING_POISONED ${code}`]);
  expect(seen['closed']).toBe(true);
});

// The kernel tells a description once. Two flushes at once, or msync(2) on the mapping's buffer and then a flush:
// the second gets 0 from it.
test.for(['together', 'raw'])(
  'a device that fails, seen by two (%s): both are told',
  async (name, context) => {
    const directory = smallExt4(context, 16 * MiB, 6 * MiB);
    const [first, second] = (await child(name, directory, 12 * MiB)) as string[];
    expect(first).toMatch(/^(EIO|ENOSPC) msync$/);
    expect(second).toBe(`ERR_MAPPING_POISONED ${first?.split(' ')[0]}`);
  },
);
