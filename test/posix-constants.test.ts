// The enums and flat names of 'memmap/posix'.

import { execFileSync } from 'node:child_process';
import * as posix from 'memmap/posix';
import { describe, expect, test } from 'vitest';

const enums = { PROT: posix.PROT, MAP: posix.MAP, MS: posix.MS };

describe('constants', () => {
  // The numbers of x86-64 and arm64 Linux, which are the same.
  const numbers = {
    PROT: { NONE: 0, READ: 1, WRITE: 2, EXEC: 4 },
    MAP: {
      SHARED: 1,
      PRIVATE: 2,
      SHARED_VALIDATE: 3,
      ANONYMOUS: 0x20,
      LOCKED: 0x2000,
      NORESERVE: 0x4000,
      POPULATE: 0x8000,
      NONBLOCK: 0x10000,
      STACK: 0x20000,
      HUGETLB: 0x40000,
      SYNC: 0x80000,
      HUGE_2MB: 21 << 26,
      HUGE_1GB: 30 << 26,
    },
    MS: { ASYNC: 1, INVALIDATE: 2, SYNC: 4 },
  } as const;

  test.each(Object.entries(numbers))('%s', (family, expected) => {
    const members = enums[family as 'MS'] as unknown as Record<string, number | string>;
    const named = Object.entries(members).filter(([, value]) => typeof value === 'number');
    expect(Object.fromEntries(named)).toMatchObject(expected);
    // The flat names are the members, all of them.
    const flat = Object.entries(posix).filter(([name]) => name.startsWith(`${family}_`));
    expect(Object.fromEntries(flat)).toEqual(
      Object.fromEntries(named.map(([name, value]) => [`${family}_${name}`, value])),
    );
  });

  test('PAGE_SIZE is what the system says', () => {
    expect(posix.PAGE_SIZE).toBe(
      Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' })),
    );
  });

  test('what is refused has no name', () => {
    for (const name of ['MAP_FIXED', 'MAP_FIXED_NOREPLACE', 'MAP_GROWSDOWN']) {
      expect(posix).not.toHaveProperty(name);
    }
  });
});
