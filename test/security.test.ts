// Files, and an environment, of somebody who means this process harm. Each sentence of SECURITY.md names its
// test; about somebody who shares memory see security-peers.test.ts.

import { ftruncateSync, openSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { map, SharedMemory } from 'memmap';
import { memfd_create, PAGE_SIZE } from 'memmap/posix';
import { describe, expect, test } from 'vitest';
import { fileState, refused, shape } from './support/bad.js';
import { maps } from './support/proc.js';
import { program, run } from './support/program.js';
import { besieged, others } from './support/siege.js';
import { tempDir, tempFile } from './support/temp.js';

describe('a file', () => {
  test('that changes its length at any time, under every call: faults, or errors with a code', async () => {
    const seen = await besieged('resized');
    expect(seen['mapped']).toBeGreaterThan(10);
    expect(seen['truncated']).toBeGreaterThan(10);
    // Which kind it was is judged after the fact: of a file that is cut and grown between the guard's looks it may
    // say 'unmapped', never nothing.
    const faults = ['mapped', 'truncated', 'read-only', 'unmapped'];
    const errors = ['ERR_OUT_OF_RANGE', 'ERR_MAPPING_FAULT', 'ERR_MAPPING_ACCESS'];
    // Of mlock(2) and madvise(2): pages that are gone, and pages that are locked.
    expect(others(seen, [...faults, ...errors, 'ENOMEM', 'EINVAL'])).toEqual([]);
  });

  test('whose path somebody swaps for a FIFO, a directory, a device and links at any time', async () => {
    const seen = await besieged('swapped');
    const mapped = ['mapped 8192', 'mapped 4096'];
    expect(others(seen, [...mapped, 'ENODEV', 'EISDIR', 'ENOENT', 'ELOOP', 'ENXIO'])).toEqual([]);
  });

  test('that is sparse and as long as the file system allows: mapped without its memory, or refused', () => {
    const path = tempFile('');
    const fd = openSync(path, 'r+');
    // 16 TiB less a block is the most that ext4 has with blocks of 4 KiB; others have more, or less.
    const longest = [2 ** 44 - PAGE_SIZE, 2 ** 43, 2 ** 42, 2 ** 41].find((length) => {
      try {
        ftruncateSync(fd, length);
        return true;
      } catch {
        return false;
      }
    });
    using mapping = map(path);
    expect(mapping.length).toBe(longest);
    expect(mapping.view(Uint8Array, mapping.length - 1, 1)[0]).toBe(0);
    expect(mapping.usage().rss).toBeLessThan(2 ** 26);
    expect(statSync(path).blocks).toBe(0);
    const huge = memfd_create('huge');
    for (const bytes of [2 ** 48, 2 ** 52]) {
      ftruncateSync(huge, bytes);
      expect(shape(refused(() => map(huge)))).toMatchObject({ name: 'Error', code: 'ENOMEM' });
      using end = map(huge, { offset: bytes - 5 });
      expect(end.length).toBe(5);
    }
  });

  test('is bytes and no program: no page of a mapping can be executed', () => {
    const path = tempFile(PAGE_SIZE);
    const named = SharedMemory.create(PAGE_SIZE, { name: 'not-code' });
    const all = [
      named,
      ...(['read', 'write', 'copy'] as const).map((access) => map(path, { access })),
    ];
    const areas = maps().filter((area) => [path, '/memfd:not-code'].includes(area.path));
    expect(areas.map(({ perms }) => perms).sort()).toEqual(['r--s', 'rw-p', 'rw-s', 'rw-s']);
    for (const one of all) one.unmap();
  });

  test('in a directory of somebody else: a link decides where `create` makes it', () => {
    const theirs = tempDir();
    const mine = join(tempDir(), 'mine');
    writeFileSync(mine, 'precious');
    symlinkSync(mine, join(theirs, 'link'));
    using _ = map(join(theirs, 'link'), { access: 'write', create: true, length: 100 });
    expect(fileState(mine)).toMatchObject({ size: 100 });
  });
});

describe('the environment', () => {
  test('decides which of the open descriptors inherited() maps: whoever sets it is trusted', async () => {
    const path = tempFile('no shared memory');
    const fd = openSync(path, 'r+');
    const { dev, ino } = statSync(path, { bigint: true });
    const segment = { fd: 3, device: `${dev}`, inode: `${ino}` };
    const { stdout, ...ended } = await run(program('inherit-garbage'), ['it'], {
      env: { MEMMAP_SHARED: JSON.stringify({ it: segment }) },
      fds: [fd],
    });
    expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ variable: null, all: 'mapped', each: ['mapped'] });
  });
});
