// Where in the address space a mapping lies: not across the end of a table of pages if that can be helped, since a
// fault then brings in a large folio as a whole.

import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { map } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { expect, test } from 'vitest';
import { tempDir } from './support/temp.js';

const TABLE = BigInt(PAGE_SIZE) * BigInt(PAGE_SIZE / 8);

/** First and last byte of each area that shows the file. */
function areasOf(path: string): [begin: bigint, last: bigint][] {
  const lines = readFileSync('/proc/self/maps', 'utf8').split('\n');
  return lines
    .filter((line) => line.endsWith(path))
    .map((line) => {
      const [begin = '', end = ''] = line.split(' ')[0]!.split('-');
      return [BigInt(`0x${begin}`), BigInt(`0x${end}`) - 1n];
    });
}

test('windows of half a table do not cross its end', () => {
  const length = Number(TABLE / 2n);
  // Windows far apart: areas that continue each other in the file would be shown as one.
  const paths = Array.from({ length: 24 }, (_, i) => {
    const path = join(tempDir(), `${i}.dat`);
    writeFileSync(path, '');
    truncateSync(path, length);
    return path;
  });
  const mappings = paths.map((path) => map(path));
  const crossing = paths
    .flatMap(areasOf)
    .filter(([begin, last]) => begin / TABLE !== last / TABLE).length;
  for (const mapping of mappings) mapping.unmap();
  // Where the kernel likes, half of them would.
  expect(crossing).toBe(0);
});

test('each shows the file from its first byte on, wherever it lies', () => {
  const path = join(tempDir(), 'bytes.dat');
  writeFileSync(
    path,
    Uint8Array.from({ length: 100 * PAGE_SIZE }, (_, i) => i / PAGE_SIZE),
  );
  const mappings = Array.from({ length: 64 }, (_, i) => map(path, { offset: i * PAGE_SIZE + 7 }));
  for (const [i, mapping] of mappings.entries()) {
    const { bytes } = mapping;
    expect([bytes.length, bytes[0], bytes.at(-1)]).toEqual([(100 - i) * PAGE_SIZE - 7, i, 99]);
    mapping.unmap();
  }
});
