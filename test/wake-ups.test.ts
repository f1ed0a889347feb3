// No wake-up is lost between processes: waits without a timeout, in turns, many at once, and on a cell that
// keeps its value. scripts/wake-ups.mjs has the same in its long form: ten million.

import { readdirSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { SharedMemory } from 'memmap';
import { notify, waitAsync } from 'memmap/sync';
import { expect, test } from 'vitest';
import { program, run } from './support/program.js';
import { until } from './support/until.js';

const scale = process.env['MEMMAP_LONG'] === '1' ? 30 : 1;

test('who waits is woken, by wait() and waitAsync(), in Node and in C', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const { code, signal, stdout, stderr } = await run(
    program('wake-ups'),
    [scale, seed].map(String),
    { watchdog: 280_000 },
  );
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  const parts = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { waits: number });
  expect(parts).toHaveLength(8);
  for (const part of parts) expect(part.waits).toBeGreaterThan(0);
}, 300_000);

/** Threads of ours that sleep in futex_waitv(2), whose number is the same on all machines. */
const asleep = () =>
  readdirSync('/proc/self/task').filter((task) => {
    try {
      return readFileSync(`/proc/self/task/${task}/syscall`, 'utf8').startsWith('449 ');
    } catch {
      return false; // that thread has ended meanwhile
    }
  }).length;

test('notify() counts each wait of its own process once', async (context) => {
  using memory = SharedMemory.create(4096);
  const cells = memory.view(Int32Array);
  const [major = 0, minor = 0] = release().split('.').map(Number);
  if (major < 5 || (major === 5 && minor < 16))
    context.skip(`Linux ${release()} has no futex_waitv`);
  // Each time another cell: a thread that is on its way from the last one may wake who waits there next.
  for (const [cell, count] of [1, 1, 2, 2, 10, 10, 20, 20].entries()) {
    await until('nobody asleep', () => asleep() === 0);
    const all = Array.from({ length: count }, () => waitAsync(cells, cell, 0));
    await until('sleepers', () => asleep() === count);
    expect(notify(cells, cell, cell % 2 === 0 ? undefined : 100)).toBe(count);
    expect(await Promise.all(all)).toEqual(all.map(() => 'ok'));
  }
});
