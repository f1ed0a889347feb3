// A file that is cut and grown again at random, under four workers that read it at random through one mapping.

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { program, run } from './support/program.js';
import { tempDir } from './support/temp.js';

const MiB = 1 << 20;
// A minute over a GiB with MEMMAP_LONG=1; otherwise as many cuts as take some seconds.
const long = process.env['MEMMAP_LONG'] === '1';
const [size, cuts, seconds] = long ? [1024 * MiB, 300, 60] : [256 * MiB, 200, 0];

test('four workers read on: no death, no wrong byte, every fault reported, few areas', async () => {
  const path = join(tempDir(), 'cut.dat');
  const args = [path, size, cuts, seconds].map(String);
  const { stdout, ...ended } = await run(program('truncation'), args, {
    node: ['--no-warnings'],
    watchdog: 280_000,
  });
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  const { counts, ...report } = JSON.parse(stdout) as { counts: Record<string, number> };
  console.log(`truncation over ${size / MiB} MiB: ${JSON.stringify(counts)}`);
  expect(report).toEqual({
    wrong: 0,
    lost: 0,
    missing: 0,
    flush: 'ERR_MAPPING_FAULT, true',
    known: [true, true, true, true],
    kinds: ['truncated'],
    bounded: true,
    refreshed: true,
    healed: true,
  });
  // There was something to survive.
  expect(counts['cuts']).toBeGreaterThanOrEqual(cuts);
  expect(counts['faults']).toBeGreaterThan(cuts / 10);
  expect(counts['zeros']).toBeGreaterThan(0);
}, 300_000);
