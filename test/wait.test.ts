// wait(), waitAsync() and notify() of one process: what they return, on every kind of memory, how many are
// woken and in which order, and how a wait ends early.

import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { anonymous, type Mapping, map, SharedMemory } from 'memmap';
import { MAP, mmap, munmap, PAGE_SIZE, PROT } from 'memmap/posix';
import { notify, wait, waitAsync } from 'memmap/sync';
import { describe, expect, onTestFinished, test } from 'vitest';
import { waiterThreads, wakeOne } from './support/sync.js';
import { tempFile } from './support/temp.js';
import { until } from './support/until.js';
import { TestWorker } from './support/worker.js';

function unmapped<M extends Mapping>(mapping: M): M {
  onTestFinished(() => mapping.unmap());
  return mapping;
}
const memory = (length = PAGE_SIZE): SharedMemory => unmapped(SharedMemory.create(length));
const cells = (length?: number): Int32Array<ArrayBuffer> => new Int32Array(memory(length).buffer);

describe('the result', () => {
  const values = [0, 1, -1, 0x7fff_ffff, -0x8000_0000];

  test('Int32Array: another value, or the time is over', async () => {
    const cell = cells();
    for (const value of values) {
      cell[1] = value;
      for (const other of values.filter((one) => one !== value)) {
        expect(wait(cell, 1, other)).toBe('not-equal');
        expect(await waitAsync(cell, 1, other)).toBe('not-equal');
      }
      expect(wait(cell, 1, value, 1)).toBe('timed-out');
      expect(await waitAsync(cell, 1, value, { timeout: 1 })).toBe('timed-out');
    }
  });

  test('Uint32Array: the values beyond 2^31 as well', async () => {
    const cell = new Uint32Array(memory().buffer);
    for (const value of [0, 1, 0x8000_0000, 0xffff_ffff]) {
      cell[2] = value;
      expect(wait(cell, 2, value, 0)).toBe('timed-out');
      expect(wait(cell, 2, (value ^ 0x8000_0000) >>> 0)).toBe('not-equal');
      const waiting = waitAsync(cell, 2, value);
      expect(notify(cell, 2)).toBeGreaterThan(0);
      expect(await waiting).toBe('ok');
    }
  });

  test('both kinds of array see the same word', async () => {
    const { buffer } = memory();
    const signed = new Int32Array(buffer);
    const unsigned = new Uint32Array(buffer);
    signed[0] = -2;
    const waiting = waitAsync(signed, 0, -2);
    expect(notify(unsigned, 0, 1)).toBe(1);
    expect(await waiting).toBe('ok');
    expect(wait(unsigned, 0, 0xffff_fffe, 0)).toBe('timed-out');
  });

  test.each([0, 0.25, 1.5, 20])('a timeout of %d ms', async (timeout) => {
    const cell = cells();
    const begin = performance.now();
    expect(wait(cell, 0, 0, timeout)).toBe('timed-out');
    expect(performance.now() - begin).toBeGreaterThanOrEqual(timeout);
    const then = performance.now();
    expect(await waitAsync(cell, 0, 0, { timeout })).toBe('timed-out');
    expect(performance.now() - then).toBeGreaterThanOrEqual(timeout);
  });

  test.each([undefined, Infinity, 1e15, Number.MAX_VALUE, 2 ** 31])(
    'a timeout of %d ms, and a wake before',
    async (timeout) => {
      const shared = memory();
      const cell = new Int32Array(shared.buffer);
      const waiting = waitAsync(cell, 0, 0, timeout === undefined ? {} : { timeout });
      expect(notify(cell, 0, 1)).toBe(1);
      expect(await waiting).toBe('ok');
      // And a thread that blocks.
      await using worker = new TestWorker('post(wait(new Int32Array(data[0]), 0, 0, data[1]));', [
        shared.sharedBuffer,
        timeout,
      ]);
      const result = worker.next();
      await wakeOne(cell);
      expect(await result).toBe('ok');
    },
  );
});

describe('on every kind of shared memory', () => {
  interface Kind {
    kind: string;
    make: () => { cell: Int32Array; shared?: SharedArrayBuffer };
  }
  const ofMapping = (mapping: Mapping) => ({
    cell: new Int32Array(unmapped(mapping).buffer, 8, 4),
    shared: mapping.sharedBuffer,
  });
  const named = (): Mapping => {
    const name = `memmap-test-wait-${process.pid}`;
    onTestFinished(() => SharedMemory.unlink(name));
    return SharedMemory.createNamed(name, PAGE_SIZE, { exclusive: true });
  };
  const kinds: Kind[] = [
    { kind: 'anonymous', make: () => ofMapping(anonymous(PAGE_SIZE)) },
    { kind: 'SharedMemory.create()', make: () => ofMapping(SharedMemory.create(PAGE_SIZE)) },
    { kind: 'named', make: () => ofMapping(named()) },
    {
      kind: 'a file',
      make: () => ofMapping(map(tempFile(3 * PAGE_SIZE), { access: 'write', offset: 4 })),
    },
    { kind: 'a file, to read', make: () => ofMapping(map(tempFile(PAGE_SIZE))) },
    {
      kind: 'a view of a mapping',
      make: () => ({ cell: unmapped(anonymous(PAGE_SIZE)).view(Int32Array, 16, 4) }),
    },
    {
      kind: 'a sharedBuffer',
      make: () => {
        const shared = unmapped(anonymous(PAGE_SIZE)).sharedBuffer;
        return { cell: new Int32Array(shared, 8, 4), shared };
      },
    },
    {
      kind: 'mmap(MAP.SHARED)',
      make: () => {
        const buffer = mmap(PAGE_SIZE, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.ANONYMOUS);
        onTestFinished(() => munmap(buffer));
        return { cell: new Int32Array(buffer, 8, 4) };
      },
    },
  ];

  test.each(kinds)('$kind', async ({ make }) => {
    const { cell, shared } = make();
    expect(wait(cell, 3, 1)).toBe('not-equal');
    expect(wait(cell, 3, 0, 1)).toBe('timed-out');
    expect(notify(cell, 3)).toBe(0);
    const waiting = waitAsync(cell, 3, 0);
    // Another word of the same memory wakes nobody.
    expect(notify(cell, 2)).toBe(0);
    expect(notify(cell, 3, 1)).toBe(1);
    expect(await waiting).toBe('ok');

    if (shared === undefined) return;
    // Over the sharedBuffer both of this thread and of a worker, and over a Mapping of the worker's own.
    const both = waitAsync(new Int32Array(shared), cell.byteOffset / 4 + 3, 0);
    expect(notify(cell, 3, 1)).toBe(1);
    expect(await both).toBe('ok');
    await using worker = new TestWorker(
      `
      const [shared, index] = data;
      post(wait(new Int32Array(shared), index, 0));
      post(wait(new Int32Array(Mapping.from(shared).buffer), index, 0));
      post(await waitAsync(Mapping.from(shared).view(Int32Array), index, 0));`,
      [shared, cell.byteOffset / 4 + 3],
    );
    for (const _ of [1, 2, 3]) {
      await wakeOne(cell, 3);
      expect(await worker.next()).toBe('ok');
    }
  });

  test('the main thread blocks, and a worker wakes it', async () => {
    const shared = memory();
    const cell = new Int32Array(shared.buffer);
    await using worker = new TestWorker(
      `
      const cell = new Int32Array(data);
      post('there');
      while (Atomics.load(cell, 1) === 0);
      for (let woken = 0; woken === 0; ) woken = notify(cell, 0, 1);
      post('woken');`,
      shared.sharedBuffer,
    );
    expect(await worker.next()).toBe('there');
    cell[1] = 1;
    expect(wait(cell, 0, 0)).toBe('ok');
    expect(await worker.next()).toBe('woken');
  });

  test('two mappings of the same memory', async () => {
    const one = memory();
    const other = unmapped(SharedMemory.adopt(one.fd));
    const reader = unmapped(SharedMemory.adopt(one.fd, { access: 'read' }));
    const [a, b, c] = [one, other, reader].map(({ buffer }) => new Int32Array(buffer)) as [
      Int32Array,
      Int32Array,
      Int32Array,
    ];
    for (const [waiter, notifier] of [
      [a, b],
      [b, a],
      [c, a],
      [a, c],
    ] as const) {
      const waiting = waitAsync(waiter, 5, 0);
      await wakeOne(notifier, 5);
      expect(await waiting).toBe('ok');
    }
  });
});

describe('notify()', () => {
  test.each([
    [0, 0],
    [1, 1],
    [3, 3],
    [4, 4],
    [5, 5],
    [6, 5],
    [Infinity, 5],
    [undefined, 5],
    [Number.MAX_SAFE_INTEGER, 5],
  ])('of five on a word, count %d wakes %d, the oldest first', async (count, expected) => {
    const cell = cells();
    const order: number[] = [];
    const waiting = Array.from({ length: 5 }, async (_, i) => {
      expect(await waitAsync(cell, 0, 0)).toBe('ok');
      order.push(i);
    });
    expect(notify(cell, 0, count)).toBeGreaterThanOrEqual(expected);
    await until('those are awake', () => order.length >= expected);
    // Whoever comes later is told later: by its time the five have been told what there was to tell.
    expect(await waitAsync(cell, 1, 0, { timeout: 20 })).toBe('timed-out');
    // All that wake together are told as their threads come to it.
    if (expected === 5) order.sort();
    expect(order).toEqual([0, 1, 2, 3, 4].slice(0, expected));
    while (order.length < 5) {
      const before = order.length;
      expect(notify(cell, 0, 1)).toBe(1);
      await until('one more', () => order.length > before);
    }
    await Promise.all(waiting);
    expect(order).toEqual([0, 1, 2, 3, 4]);
    await until('nobody sleeps there', () => notify(cell, 0) === 0);
  });

  test('nobody is there, or he waits for another word', async () => {
    const cell = cells();
    expect(notify(cell, 0)).toBe(0);
    const waiting = waitAsync(cell, 1, 0, { timeout: 30 });
    expect(notify(cell, 0)).toBe(0);
    expect(await waiting).toBe('timed-out');
  });

  test('blocked threads: as many as were asked for, and each once', async () => {
    const shared = memory();
    const cell = new Int32Array(shared.buffer);
    const body = 'post(wait(new Int32Array(data), 0, 0)); post(wait(new Int32Array(data), 1, 0));';
    const workers = [1, 2, 3].map(() => new TestWorker(body, shared.sharedBuffer));
    onTestFinished(async () => {
      await Promise.all(workers.map((one) => one.terminate()));
    });
    for (const _ of workers) await wakeOne(cell, 0);
    expect(await Promise.all(workers.map((one) => one.next()))).toEqual(['ok', 'ok', 'ok']);
    let woken = 0;
    await until('all three', () => {
      woken += notify(cell, 1, 3 - woken);
      return woken === 3;
    });
    expect(await Promise.all(workers.map((one) => one.next()))).toEqual(['ok', 'ok', 'ok']);
  });
});

describe('many at once', () => {
  test('a thousand on a thousand words, beside the runtime', async () => {
    const count = 1000;
    const cell = cells(4 * count);
    let settled = 0;
    const waiting = Array.from({ length: count }, async (_, i) => {
      expect(await waitAsync(cell, i, 0)).toBe('ok');
      settled++;
      expect(cell[i]).toBe(i + 1);
    });
    // They take no thread of the pool, which these need, and do not block the event loop.
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const [text, { address }] = await Promise.all([
      readFile('/proc/self/status', 'utf8'),
      lookup('localhost'),
    ]);
    await until('the event loop has turned', () => delay.count > 20);
    delay.disable();
    expect(text).toContain('VmSize');
    expect(address).toMatch(/^(127\.|::1$)/);
    expect(settled).toBe(0);
    expect(waiterThreads()).toBeLessThan(100);

    for (let i = count - 1; i >= 0; i--) {
      cell[i] = i + 1;
      notify(cell, i); // 0 where a thread that was woken for another word has seen this one changed
    }
    await Promise.all(waiting);
  });

  test('two hundred on one word: one at a time, then all', async () => {
    const cell = cells();
    const order: number[] = [];
    const waiting = Array.from({ length: 200 }, async (_, i) => {
      expect(await waitAsync(cell, 0, 0)).toBe('ok');
      order.push(i);
    });
    for (let woken = 0; woken < 20; woken++) {
      expect(notify(cell, 0, 1)).toBe(1);
      await until('one', () => order.length > woken);
    }
    cell[0] = 1;
    expect(notify(cell, 0)).toBeGreaterThanOrEqual(180);
    await Promise.all(waiting);
    expect(order.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(new Set(order).size).toBe(200);
  });

  test('two hundred on one word, from another mapping: all hear of a change', async () => {
    const one = memory();
    const cell = new Int32Array(one.buffer);
    const elsewhere = new Int32Array(unmapped(SharedMemory.adopt(one.fd)).buffer);
    const waiting = Array.from({ length: 200 }, () => waitAsync(cell, 0, 0));
    elsewhere[0] = 1;
    notify(elsewhere, 0);
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['ok']));
  });

  test('timeouts of many, in the order of their length', async () => {
    const cell = cells();
    const order: number[] = [];
    const waiting = Array.from({ length: 100 }, async (_, i) => {
      expect(await waitAsync(cell, 0, 0, { timeout: 300 - (i % 3) * 140 })).toBe('timed-out');
      order.push(i % 3);
    });
    await Promise.all(waiting);
    // On a slow machine the second and third third may come together; the first wait is never last.
    expect(order[0]).toBe(2);
    expect(order.at(-1)).toBe(0);
  });
});
