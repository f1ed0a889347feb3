// The Mutex within one process: locking, unlocking once, queueing, giving up, and memory that does not stay.

import { truncateSync } from 'node:fs';
import { anonymous, Mapping, map, SharedMemory, stats } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { type Held, Mutex } from 'memmap/sync';
import { describe, expect, onTestFinished, test } from 'vitest';
import { collected, gc } from './support/gc.js';
import { descriptors } from './support/proc.js';
import { outcome, settledYet } from './support/sync.js';
import { tempFile } from './support/temp.js';
import { until } from './support/until.js';

function unmapped<M extends Mapping>(mapping: M): M {
  onTestFinished(() => mapping.unmap());
  return mapping;
}
const memory = (): SharedMemory => unmapped(SharedMemory.create(PAGE_SIZE));
/** Two that know nothing of each other: one memory, two mappings, two objects, one thread. */
function pair(): [Mutex, Mutex] {
  const one = memory();
  const other = unmapped(SharedMemory.adopt(one.fd));
  return [new Mutex(one, 8), new Mutex(other, 8)];
}
function codeOf(call: () => unknown): unknown {
  try {
    return { returned: call() };
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}
const kinds: [string, () => Mapping][] = [
  ['anonymous', () => unmapped(anonymous(PAGE_SIZE))],
  ['SharedMemory', memory],
  ['a file', () => unmapped(map(tempFile(PAGE_SIZE), { access: 'write' }))],
  [
    'a file at an odd offset',
    () => unmapped(map(tempFile(PAGE_SIZE), { access: 'write', offset: 8 })),
  ],
];

describe.each(kinds)('%s', (_, make) => {
  test('fresh memory is unlocked; lock(), lockSync() and tryLock() take it in turn', async () => {
    const mapping = make();
    const mutex = new Mutex(mapping, 16);
    const ways: (() => Held | undefined | Promise<Held>)[] = [
      () => mutex.lock(),
      () => mutex.lockSync(),
      () => mutex.tryLock(),
      () => mutex.lock({ timeout: 0 }),
      () => mutex.lockSync(0),
    ];
    for (const way of [...ways, ...ways]) {
      const held = await way();
      expect(held?.ownerDied).toBe(false);
      expect(mutex.tryLock()).toBeUndefined();
      held?.unlock();
    }
    // As it was, and no byte beside it was touched.
    expect(mapping.bytes.every((byte) => byte === 0)).toBe(true);
  });

  test('using', async () => {
    const mutex = new Mutex(make(), 0);
    {
      using held = await mutex.lock();
      expect(held.ownerDied).toBe(false);
      expect(mutex.tryLock()).toBeUndefined();
    }
    {
      using _ = mutex.lockSync();
      expect(mutex.tryLock()).toBeUndefined();
    }
    mutex.lockSync(0).unlock();
  });
});

describe('unlock()', () => {
  test('once: a second one does not let go of somebody else’s lock', async () => {
    for (const mutex of pair()) {
      const first = await mutex.lock();
      first.unlock();
      const second = mutex.lockSync();
      first.unlock();
      first[Symbol.dispose]();
      expect(mutex.tryLock()).toBeUndefined();
      second.unlock();
      mutex.lockSync(0).unlock();
    }
  });

  test('by another task, and through another object', async () => {
    const [mutex, same] = pair();
    const held = await mutex.lock();
    const next = same.lock();
    await Promise.resolve().then(() => held.unlock());
    (await next).unlock();
  });

  test('of a lock that somebody has overwritten: EPERM, and once', () => {
    const mapping = memory();
    const mutex = new Mutex(mapping, 0);
    const held = mutex.lockSync();
    mapping.bytes.fill(0);
    expect(codeOf(() => held.unlock())).toBe('EPERM');
    const other = mutex.lockSync(0);
    held.unlock();
    expect(mutex.tryLock()).toBeUndefined();
    other.unlock();
  });
});

describe('a lock that this thread holds', () => {
  test('lockSync() is EDEADLK, through any object; tryLock() is undefined', () => {
    const [mutex, same] = pair();
    for (const [holder, other] of [
      [mutex, same],
      [same, mutex],
    ] as const) {
      using _ = holder.lockSync();
      for (const one of [holder, other]) {
        expect(codeOf(() => one.lockSync())).toBe('EDEADLK');
        expect(codeOf(() => one.lockSync(0))).toBe('EDEADLK');
        expect(one.tryLock()).toBeUndefined();
      }
    }
    mutex.lockSync(0).unlock();
  });

  test('another word of the same memory is another lock', () => {
    const mapping = memory();
    using _ = new Mutex(mapping, 0).lockSync();
    new Mutex(mapping, Mutex.BYTES).lockSync(0).unlock();
  });

  test('a Held that was collected stays locked', async () => {
    const mapping = memory();
    const word = new Int32Array(mapping.buffer, 0, 1);
    void (() => new Mutex(mapping, 0).lockSync())();
    for (let i = 0; i < 10; i++) await collected('what there is', () => true);
    gc();
    expect(word[0]).not.toBe(0);
    expect(new Mutex(mapping, 0).tryLock()).toBeUndefined();
    expect(codeOf(() => new Mutex(SharedMemory.adopt(mapping.fd), 0).lockSync())).toBe('EDEADLK');
  });
});

describe('tasks of one thread', () => {
  test.each([2, 100])('%d of them, in the order in which they asked', async (count) => {
    const mutexes = pair();
    const order: number[] = [];
    let inside = 0;
    await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        using held = await (mutexes[i % 2] as Mutex).lock();
        expect(inside++).toBe(0);
        await new Promise((resolve) => setImmediate(resolve));
        order.push(i);
        inside--;
        expect(held.ownerDied).toBe(false);
      }),
    );
    expect(order).toEqual(Array.from({ length: count }, (_, i) => i));
  });

  test('a timeout, at the head and behind it', async () => {
    const [mutex, same] = pair();
    const held = mutex.lockSync();
    const begin = performance.now();
    const errors = await Promise.all(
      [mutex.lock({ timeout: 20 }), same.lock({ timeout: 5 }), mutex.lock({ timeout: 0 })].map(
        (waiting) => waiting.catch((error: unknown) => error),
      ),
    );
    expect(performance.now() - begin).toBeGreaterThanOrEqual(19);
    for (const error of errors) {
      expect(error).toMatchObject({ name: 'Error', code: 'ETIMEDOUT', syscall: 'futex' });
    }
    held.unlock();
    (await same.lock({ timeout: 0 })).unlock();
  });

  test('an abort, at the head and behind it, and before', async () => {
    const [mutex, same] = pair();
    const held = mutex.lockSync();
    const [one, two, three] = [1, 2, 3].map(() => new AbortController()) as [
      AbortController,
      AbortController,
      AbortController,
    ];
    const head = outcome(mutex.lock({ signal: one.signal }));
    const behind = outcome(same.lock({ signal: two.signal }));
    const last = mutex.lock();
    const settled = settledYet(last);
    three.abort({ code: 'before' });
    expect(await outcome(mutex.lock({ signal: three.signal }))).toBe('before');
    two.abort({ code: 'behind' });
    expect(await behind).toBe('behind');
    one.abort({ code: 'head' });
    expect(await head).toBe('head');
    expect(settled()).toBe(false);
    held.unlock();
    (await last).unlock();
    // Nothing of the aborted ones is left in the way.
    (await mutex.lock({ timeout: 0 })).unlock();
  });

  test('aborts and timeouts of most, at random: the others have it in order', async () => {
    const mutexes = pair();
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 300 }, async (_, i) => {
        const controller = new AbortController();
        const options = [
          {},
          { timeout: Math.random() * 3 },
          { signal: controller.signal },
          { signal: controller.signal, timeout: 2 },
        ][i % 4];
        const locking = (mutexes[i % 2] as Mutex).lock(options);
        if (i % 4 > 1) setTimeout(() => controller.abort({ code: 'gone' }), Math.random() * 3);
        try {
          using _ = await locking;
          if (i % 4 === 0) order.push(i);
          if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
        } catch (error) {
          expect(['gone', 'ETIMEDOUT']).toContain((error as { code: string }).code);
        }
      }),
    );
    expect(order).toEqual(Array.from({ length: 75 }, (_, i) => 4 * i));
    mutexes[0].lockSync(0).unlock();
  });

  test('an unlock in this thread wakes the next one at once', async () => {
    const [mutex] = pair();
    const held = await mutex.lock();
    let next = false;
    const waiting = mutex.lock().then((other) => {
      next = true;
      other.unlock();
    });
    held.unlock();
    await waiting;
    expect(next).toBe(true);
    mutex.lockSync(0).unlock();
  });
});

describe('the mapping', () => {
  test('is unmapped while it is held: this thread is told, and the next owner', async () => {
    const one = SharedMemory.create(PAGE_SIZE);
    const other = unmapped(SharedMemory.adopt(one.fd));
    const mutex = new Mutex(one, 0);
    const held = await mutex.lock();
    const waiting = outcome(mutex.lock());
    one.unmap();
    expect(codeOf(() => held.unlock())).toBe('ERR_MAPPING_CLOSED');
    expect(codeOf(() => mutex.tryLock())).toBe('ERR_MAPPING_CLOSED');
    expect(codeOf(() => mutex.lockSync())).toBe('ERR_MAPPING_CLOSED');
    expect(await waiting).toBe('ERR_MAPPING_CLOSED');
    expect(await outcome(mutex.lock())).toBe('ERR_MAPPING_CLOSED');
    const next = new Mutex(other, 0);
    const taken = next.lockSync();
    expect(taken.ownerDied).toBe(true);
    taken.unlock();
    expect(next.lockSync().ownerDied).toBe(false);
  });

  test('is a borrowed one that ends: the lock is given up with it', () => {
    const one = unmapped(anonymous(PAGE_SIZE));
    const borrowed = Mapping.from(one.sharedBuffer);
    const held = new Mutex(borrowed, 0).lockSync();
    borrowed.unmap();
    expect(codeOf(() => held.unlock())).toBe('ERR_MAPPING_CLOSED');
    expect(new Mutex(one, 0).lockSync(0).ownerDied).toBe(true);
  });

  test('slides away and back', async () => {
    const path = tempFile(4 * PAGE_SIZE);
    const mapping = unmapped(map(path, { access: 'write', length: PAGE_SIZE }));
    const mutex = new Mutex(mapping, 64);
    const held = mutex.lockSync();
    mapping.slide(2 * PAGE_SIZE);
    expect(codeOf(() => held.unlock())).toBe('ERR_OUT_OF_RANGE');
    expect(codeOf(() => mutex.tryLock())).toBe('ERR_OUT_OF_RANGE');
    expect(await outcome(mutex.lock())).toBe('ERR_OUT_OF_RANGE');
    // It is the file's byte that is locked, and it still is.
    const other = unmapped(map(path, { access: 'write' }));
    expect(new Mutex(other, 64).tryLock()).toBeUndefined();
    expect(new Mutex(mapping, 64).tryLock()?.ownerDied).toBe(false);
    mapping.slide(0);
    held.unlock();
    new Mutex(other, 64).lockSync(0).unlock();
  });

  test('is unmapped while it has been slid away from a lock that is held', () => {
    const path = tempFile(4 * PAGE_SIZE);
    const mapping = map(path, { access: 'write', length: PAGE_SIZE });
    const other = new Mutex(unmapped(map(path, { access: 'write' })), 64);
    new Mutex(mapping, 64).lockSync();
    mapping.slide(2 * PAGE_SIZE);
    mapping.unmap();
    expect(other.lockSync(0).ownerDied).toBe(true);
  });

  test('is resized beyond its reserve: lock, waiter and Held go on', async () => {
    const mapping = unmapped(map(tempFile(PAGE_SIZE), { access: 'write' }));
    const mutex = new Mutex(mapping, 0);
    const held = mutex.lockSync();
    const waiting = mutex.lock();
    await new Promise((resolve) => setImmediate(resolve));
    mapping.resize(64 * PAGE_SIZE);
    held.unlock();
    (await waiting).unlock();
    mutex.lockSync(0).unlock();
  });

  test('becomes too short for the lock', () => {
    const mapping = unmapped(map(tempFile(2 * PAGE_SIZE), { access: 'write' }));
    const mutex = new Mutex(mapping, PAGE_SIZE);
    mapping.resize(PAGE_SIZE);
    expect(codeOf(() => mutex.tryLock())).toBe('ERR_OUT_OF_RANGE');
  });

  test('loses its file', async () => {
    const path = tempFile(PAGE_SIZE);
    const mapping = unmapped(map(path, { access: 'write' }));
    const mutex = new Mutex(mapping, 0);
    const held = mutex.lockSync();
    const waiting = mutex.lock().catch((error: unknown) => error);
    truncateSync(path, 0);
    const lost = { code: 'ERR_MAPPING_FAULT', faults: [{ kind: 'truncated' }] };
    expect(await waiting).toMatchObject(lost);
    for (const call of [() => held.unlock(), () => mutex.tryLock(), () => mutex.lockSync()]) {
      let error: unknown;
      try {
        call();
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toMatchObject(lost);
    }
    expect(await mutex.lock().catch((error: unknown) => error)).toMatchObject(lost);
  });

  test('and its descriptors: none is left after unmap(), or after collection', async () => {
    await collected('all regions', () => stats().regions === 0);
    const before = [...descriptors().keys()];
    await (async () => {
      for (let i = 0; i < 50; i++) {
        const mapping = SharedMemory.create(PAGE_SIZE);
        const held = await new Mutex(mapping, 0).lock();
        const other = new Mutex(mapping, 8);
        if (i % 2 === 0) mapping.unmap();
        else held.unlock();
        void other;
      }
    })();
    await collected('all regions', () => stats().regions === 0);
    await until('all descriptors', () => descriptors().size <= before.length);
    expect(stats()).toMatchObject({ mappedBytes: 0, retiredBytes: 0, descriptors: 0 });
  });
});

test('garbage in the lock word: no crash, no hang with a timeout, and zero frees it', async () => {
  for (const mapping of [memory(), unmapped(anonymous(PAGE_SIZE))]) {
    const word = new Uint32Array(mapping.buffer, 0, 1);
    const mutex = new Mutex(mapping, 0);
    const fixed = [1, 0x3fff_ffff, 0x4000_0000, 0x7fff_ffff, 0x8000_0000, 0xc000_0000, 0xffff_ffff];
    const values = [...fixed, ...Array.from({ length: 100 }, () => Math.random() * 2 ** 32)];
    for (const [i, value] of values.entries()) {
      word[0] = value;
      const ways = [
        () => mutex.tryLock(),
        () => mutex.lockSync(0),
        () => mutex.lock({ timeout: 0 }),
      ];
      try {
        const held = await ways[i % 3]?.();
        // Of memory without a file nobody can tell who lives.
        held?.unlock();
      } catch (error) {
        expect(error).toMatchObject({ code: 'ETIMEDOUT' });
      }
      Atomics.store(word, 0, 0);
      mutex.lockSync(0).unlock();
      expect(word[0]).toBe(0);
    }
  }
});
