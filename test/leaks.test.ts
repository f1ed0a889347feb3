// What was mapped and let go of is gone: regions, descriptors, areas.
import { expect, test } from 'vitest';
import { program, run } from './support/program.js';
import { tempFile } from './support/temp.js';

// Under the sanitizers, and when the suite runs a second time under another runtime, fewer rounds.
const scale = process.env['MEMMAP_RUN'] === undefined ? 1 : 0.02;
// V8 and the C library map and unmap for themselves; a leak of ours would be an area for each round.
const NOISE = 200;

test.each([
  ['unmapped', 100_000],
  ['munmapped', 20_000],
  ['dropped', 100_000],
  ['droppedBuffers', 20_000],
  ['droppedShared', 5_000],
  ['manyViews', 2],
  ['workers', 60],
])(
  '%s, %i rounds',
  async (scenario, full) => {
    const rounds = Math.ceil(full * scale);
    const { code, signal, stdout, stderr } = await run(
      program('leaks'),
      [scenario, `${rounds}`, tempFile(16_384)],
      { node: ['--expose-gc'], watchdog: 300_000 },
    );
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    const { before, after } = JSON.parse(stdout);
    const { areas, ...rest } = after;
    expect(rest).toEqual({
      regions: 0,
      mappedBytes: 0,
      retiredBytes: 0,
      descriptors: 0,
      faults: 0,
      fds: before.fds,
    });
    expect(areas - before.areas).toBeLessThan(NOISE);
  },
  300_000,
);
