// What becomes of a wait when its memory does not stay as it was: unmapped, resized, slid, cut, protected.

import { truncateSync, writeFileSync } from 'node:fs';
import { anonymous, type Mapping, map, SharedMemory, stats } from 'memmap';
import { MAP, mmap, mremap, munmap, PAGE_SIZE, PROT } from 'memmap/posix';
import { notify, wait, waitAsync } from 'memmap/sync';
import { describe, expect, onTestFinished, test } from 'vitest';
import { collected } from './support/gc.js';
import { asleep, outcome, settledYet, wakeOne } from './support/sync.js';
import { tempFile } from './support/temp.js';
import { until } from './support/until.js';
import { TestWorker } from './support/worker.js';

const CLOSED = 'ERR_MAPPING_CLOSED';

function mapped(path: string, options: Parameters<typeof map>[1] = {}): Mapping {
  const mapping = map(path, { access: 'write', ...options });
  onTestFinished(() => mapping.unmap());
  return mapping;
}
const cellOf = (mapping: Mapping, index = 0): Int32Array => mapping.view(Int32Array, 4 * index, 1);

function fault(error: unknown): unknown {
  const { code, faults } = error as { code?: unknown; faults?: { kind: string }[] };
  return { code, kinds: faults?.map(({ kind }) => kind) };
}
const LOST = { code: 'ERR_MAPPING_FAULT', kinds: ['truncated'] };
const thrown = (call: () => unknown): unknown => {
  try {
    return { returned: call() };
  } catch (error) {
    return error;
  }
};

/** Also no memory of the tests before, which the collector has yet to find. */
async function nothingHeld(): Promise<void> {
  await collected('all regions', () => stats().regions === 0);
  expect(stats()).toMatchObject({ mappedBytes: 0, retiredBytes: 0, descriptors: 0 });
}

describe('unmap()', () => {
  test.each([1, 3, 200])('with %d waits pending: all reject', async (count) => {
    await nothingHeld();
    await (async () => {
      const memory = SharedMemory.create(PAGE_SIZE);
      const cell = new Int32Array(memory.buffer);
      const waiting = Array.from({ length: count }, (_, i) => outcome(waitAsync(cell, i % 7, 0)));
      memory.unmap();
      expect(new Set(await Promise.all(waiting))).toEqual(new Set([CLOSED]));
      expect(thrown(() => wait(cell, 0, 0))).toMatchObject({ code: CLOSED });
      expect(thrown(() => notify(cell, 0))).toMatchObject({ code: CLOSED });
      expect(await outcome(waitAsync(cell, 0, 0))).toBe(CLOSED);
    })();
    await nothingHeld();
  });

  test('of one mapping leaves the waits of another alone', async () => {
    using one = SharedMemory.create(PAGE_SIZE);
    const other = SharedMemory.adopt(one.fd);
    const stays = waitAsync(cellOf(one), 0, 0);
    const ends = outcome(waitAsync(cellOf(other), 0, 0));
    other.unmap();
    expect(await ends).toBe(CLOSED);
    expect(notify(cellOf(one), 0, 1)).toBe(1);
    expect(await stays).toBe('ok');
  });

  test('munmap() and mremap() of what mmap() returned', async () => {
    const make = () => mmap(PAGE_SIZE, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.ANONYMOUS);
    const buffer = make();
    const waiting = outcome(waitAsync(new Int32Array(buffer), 0, 0));
    munmap(buffer);
    expect(await waiting).toBe(CLOSED);
    const before = make();
    const moved = outcome(waitAsync(new Int32Array(before), 0, 0));
    const after = mremap(before, 2 * PAGE_SIZE);
    expect(await moved).toBe(CLOSED);
    munmap(after);
  });

  test('beside a settled wait and an aborted one', async () => {
    const memory = anonymous(PAGE_SIZE);
    const cell = new Int32Array(memory.buffer);
    const controller = new AbortController();
    const all = [
      waitAsync(cell, 0, 0),
      waitAsync(cell, 1, 0, { signal: controller.signal }),
      waitAsync(cell, 2, 0, { timeout: 0 }),
      waitAsync(cell, 3, 0),
    ].map(outcome);
    notify(cell, 0);
    controller.abort({ code: 'mine' });
    memory.unmap();
    const [woken, aborted, late, closed] = await Promise.all(all);
    expect([woken, aborted, closed]).toEqual(['ok', 'mine', CLOSED]);
    expect(['timed-out', CLOSED]).toContain(late);
  });

  test('while workers are blocked in wait(), and pend: it throws, and rejects, there', async () => {
    const memory = anonymous(PAGE_SIZE);
    const cell = new Int32Array(memory.buffer);
    await using one = new TestWorker(
      `
      post(wait(new Int32Array(data), 1, 0));
      post(await told(() => wait(new Int32Array(data), 1, 0)));`,
      memory.sharedBuffer,
    );
    await using other = new TestWorker(
      `
      const cell = new Int32Array(Mapping.from(data).buffer);
      post(await waitAsync(cell, 2, 0));
      post(await told(() => waitAsync(cell, 2, 0)));`,
      memory.sharedBuffer,
    );
    // Each has been asleep once, and is about to be, or is, again.
    await wakeOne(cell, 1);
    await wakeOne(cell, 2);
    expect([await one.next(), await other.next()]).toEqual(['ok', 'ok']);
    memory.unmap();
    expect([await one.next(), await other.next()]).toEqual([{ code: CLOSED }, { code: CLOSED }]);
  });

  test('the unmap() of a worker ends what is its own, and nothing else', async () => {
    using memory = anonymous(PAGE_SIZE);
    await using worker = new TestWorker(
      `
      const own = Mapping.from(data);
      const cell = new Int32Array(own.buffer);
      own.unmap();
      post(await told(() => wait(cell, 0, 0)));`,
      memory.sharedBuffer,
    );
    const waiting = waitAsync(cellOf(memory), 0, 0);
    expect(await worker.next()).toEqual({ code: CLOSED });
    expect(notify(cellOf(memory), 0, 1)).toBe(1);
    expect(await waiting).toBe('ok');
  });

  test('under starts and ends of waits in three workers, again and again', async () => {
    await nothingHeld();
    const body = `
      parentPort.on('message', async (shared) => {
        const cell = new Int32Array(shared);
        let code;
        while (code === undefined) {
          const all = [0, 1, 2].map((i) => told(() => waitAsync(cell, i, 0, { timeout: i })));
          code = (await Promise.all(all)).find((one) => typeof one === 'object')?.code;
        }
        post(code);
      });`;
    const workers = [1, 2, 3].map(() => new TestWorker(body));
    onTestFinished(async () => {
      await Promise.all(workers.map((one) => one.terminate()));
    });
    const oneRound = async (): Promise<void> => {
      const memory = anonymous(PAGE_SIZE);
      for (const one of workers) one.send(memory.sharedBuffer);
      const cell = new Int32Array(memory.buffer);
      await until('somebody waits', () => notify(cell, 2) > 0);
      memory.unmap();
      for (const one of workers) expect(await one.next()).toBe(CLOSED);
    };
    for (let round = 0; round < 100; round++) await oneRound();
    await Promise.all(workers.map((one) => one.terminate()));
    await nothingHeld();
  });

  test('a mapping that nobody refers to, but a wait: it lives as long as that', async () => {
    await nothingHeld();
    await (async () => {
      using kept = SharedMemory.create(PAGE_SIZE);
      const waiting = (() => waitAsync(cellOf(SharedMemory.adopt(kept.fd)), 0, 0))();
      const settled = settledYet(waiting);
      for (let i = 0; i < 20; i++) await collected('whatever there is', () => true);
      expect(settled()).toBe(false);
      await until('it sleeps', () => asleep() > 0);
      await wakeOne(cellOf(kept));
      expect(await waiting).toBe('ok');
    })();
    await nothingHeld();
  });
});

describe('resize()', () => {
  test('within the reserve, longer: the wait goes on', async () => {
    const mapping = mapped(tempFile(PAGE_SIZE), { reserve: 8 * PAGE_SIZE });
    const waiting = waitAsync(cellOf(mapping), 0, 0);
    mapping.resize(4 * PAGE_SIZE);
    expect(notify(cellOf(mapping), 0, 1)).toBe(1);
    expect(await waiting).toBe('ok');
  });

  test('shorter: a wait on what is gone ends, others go on', async () => {
    const mapping = mapped(tempFile(4 * PAGE_SIZE));
    const first = waitAsync(cellOf(mapping), 0, 0);
    const gone = [PAGE_SIZE / 4, 3 * (PAGE_SIZE / 4), PAGE_SIZE - 1].map((index) =>
      outcome(waitAsync(cellOf(mapping, index), 0, 0)),
    );
    mapping.resize(64);
    expect(await Promise.all(gone)).toEqual([CLOSED, CLOSED, CLOSED]);
    expect(mapping.faults).toEqual([]);
    expect(notify(cellOf(mapping), 0, 1)).toBe(1);
    expect(await first).toBe('ok');
  });

  test('beyond the reserve, into other memory: a wait on the old one ends', async () => {
    const mapping = mapped(tempFile(PAGE_SIZE));
    const waiting = outcome(waitAsync(cellOf(mapping), 0, 0));
    mapping.resize(64 * PAGE_SIZE);
    expect(await waiting).toBe(CLOSED);
    expect(wait(cellOf(mapping), 0, 0, 0)).toBe('timed-out');
  });
});

describe('slide() and refresh()', () => {
  test('a wait is on the cell: what lies there after a slide wakes it', async () => {
    const path = tempFile(4 * PAGE_SIZE);
    const mapping = mapped(path, { length: PAGE_SIZE });
    const elsewhere = mapped(path);
    const waiting = waitAsync(cellOf(mapping, 1), 0, 0);
    await until('it sleeps', () => asleep() > 0);
    mapping.slide(2 * PAGE_SIZE);
    // No longer the word that it slept on.
    await wakeOne(cellOf(elsewhere, PAGE_SIZE / 2 + 1));
    expect(await waiting).toBe('ok');
  });

  test('another value under the cell after a slide is a change', async () => {
    const path = tempFile(2 * PAGE_SIZE);
    const mapping = mapped(path, { length: PAGE_SIZE });
    cellOf(mapped(path), PAGE_SIZE / 4)[0] = 7;
    const waiting = waitAsync(cellOf(mapping), 0, 0);
    mapping.slide(PAGE_SIZE);
    expect(await waiting).toBe('ok');
  });

  test('refresh() of a good mapping: the wait goes on', async () => {
    const mapping = mapped(tempFile(PAGE_SIZE), { reserve: 2 * PAGE_SIZE });
    const waiting = waitAsync(cellOf(mapping), 0, 0);
    mapping.refresh();
    expect(notify(cellOf(mapping), 0, 1)).toBe(1);
    expect(await waiting).toBe('ok');
  });
});

describe('a file that is cut away under the cell', () => {
  test('wait(), waitAsync() and notify() tell so, with the faults', async () => {
    const path = tempFile(2 * PAGE_SIZE);
    const mapping = mapped(path);
    const cell = cellOf(mapping, PAGE_SIZE / 4);
    truncateSync(path, 0);
    for (const call of [() => wait(cell, 0, 0), () => notify(cell, 0), () => wait(cell, 0, 1)]) {
      expect(fault(thrown(call))).toEqual(LOST);
    }
    expect(fault(await waitAsync(cell, 0, 0).catch((error) => error))).toEqual(LOST);
    expect((thrown(() => wait(cell, 0, 0)) as { faults: unknown }).faults).toEqual(mapping.faults);
    // Once it is back, so is the cell.
    writeFileSync(path, new Uint8Array(2 * PAGE_SIZE));
    mapping.refresh();
    const waiting = waitAsync(cell, 0, 0);
    expect(notify(cell, 0, 1)).toBe(1);
    expect(await waiting).toBe('ok');
  });

  test('of mmap(): the faults of that memory', () => {
    using shared = SharedMemory.createNamed(`memmap-test-cut-${process.pid}`, PAGE_SIZE);
    onTestFinished(() => SharedMemory.unlink(`memmap-test-cut-${process.pid}`));
    const buffer = mmap(PAGE_SIZE, PROT.READ | PROT.WRITE, MAP.SHARED, shared.fd);
    onTestFinished(() => munmap(buffer));
    truncateSync(`/dev/shm/memmap-test-cut-${process.pid}`, 0);
    expect(fault(thrown(() => wait(new Int32Array(buffer), 0, 0)))).toEqual(LOST);
  });

  test('waits that are pending reject once the page is known to be lost', async () => {
    const path = tempFile(2 * PAGE_SIZE);
    const mapping = mapped(path);
    const cell = cellOf(mapping, PAGE_SIZE / 4);
    const waiting = Array.from({ length: 70 }, () =>
      waitAsync(cell, 0, 0).catch((error: unknown) => fault(error)),
    );
    const controller = new AbortController();
    const other = waitAsync(cellOf(mapping), 0, 0, { signal: controller.signal });
    truncateSync(path, PAGE_SIZE);
    expect(fault(thrown(() => notify(cell, 0)))).toEqual(LOST);
    for (const one of await Promise.all(waiting)) expect(one).toEqual(LOST);
    // The page before it is what it was.
    expect(notify(cellOf(mapping), 0, 1)).toBe(1);
    expect(await other).toBe('ok');
  });

  test('... and are told so after an unmap() as well', async () => {
    const path = tempFile(PAGE_SIZE);
    const mapping = map(path);
    const cell = cellOf(mapping);
    const waiting = outcome(waitAsync(cell, 0, 0));
    await until('it sleeps', () => asleep() > 0);
    truncateSync(path, 0);
    expect(cell[0]).toBe(0); // the guard has replaced the page
    await until('it sleeps no more', () => asleep() === 0);
    mapping.unmap();
    expect(await waiting).toBe('ERR_MAPPING_FAULT');
  });

  test('a file that grows again, untouched meanwhile: the wait goes on', async () => {
    const path = tempFile(PAGE_SIZE);
    const mapping = mapped(path);
    const cell = cellOf(mapping);
    const waiting = waitAsync(cell, 0, 0);
    await until('it sleeps', () => asleep() > 0);
    truncateSync(path, 0);
    truncateSync(path, PAGE_SIZE);
    const elsewhere = mapped(path);
    cellOf(elsewhere)[0] = 1;
    await wakeOne(cellOf(elsewhere));
    expect(await waiting).toBe('ok');
  });

  test('a worker that is blocked there, with the faults', async () => {
    const path = tempFile(PAGE_SIZE);
    const mapping = mapped(path);
    await using worker = new TestWorker(
      `
      try {
        post('there');
        wait(new Int32Array(data), 0, 0);
      } catch ({ code, faults }) {
        post({ code, kinds: faults.map(({ kind }) => kind) });
      }`,
      mapping.sharedBuffer,
    );
    expect(await worker.next()).toBe('there');
    truncateSync(path, 0);
    expect(await worker.next()).toEqual(LOST);
  });

  test('pages that may not be touched', async () => {
    using memory = anonymous(2 * PAGE_SIZE);
    const cell = cellOf(memory);
    memory.protect('none', 0, PAGE_SIZE);
    expect(thrown(() => wait(cell, 0, 0, 0))).toMatchObject({ code: 'ERR_MAPPING_FAULT' });
    expect(await outcome(waitAsync(cell, 0, 0))).toBe('ERR_MAPPING_FAULT');
  });
});
