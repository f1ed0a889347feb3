// The Mutex: who has it, in which order, for how long one waits, and what becomes of it when its owner ends.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { anonymous, type Mapping, map, SharedMemory, stats } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { type Held, Mutex } from 'memmap/sync';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Program, program } from './support/program.js';
import { outcome, settledYet } from './support/sync.js';
import { tempFile } from './support/temp.js';
import { until } from './support/until.js';
import { TestWorker } from './support/worker.js';

function unmapped<M extends Mapping>(mapping: M): M {
  onTestFinished(() => mapping.unmap());
  return mapping;
}
const memory = (length = PAGE_SIZE): SharedMemory => unmapped(SharedMemory.create(length));
const thrown = (call: () => unknown): unknown => {
  try {
    return call();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
};
/** Another mapping of the same memory, in this thread. */
const again = (one: SharedMemory): SharedMemory => unmapped(SharedMemory.adopt(one.fd));

/** All three ways to lock, as one that can be awaited. */
const ways: readonly [string, (mutex: Mutex) => Held | undefined | Promise<Held>][] = [
  ['lock()', (mutex) => mutex.lock()],
  ['lockSync()', (mutex) => mutex.lockSync()],
  ['tryLock()', (mutex) => mutex.tryLock()],
];

describe('one thread', () => {
  test.each(ways)('%s takes memory of zeros for an unlocked one', async (_, lock) => {
    const shared = memory();
    const mutex = new Mutex(shared, 8);
    const held = await lock(mutex);
    expect(held?.ownerDied).toBe(false);
    expect(mutex.tryLock()).toBeUndefined();
    held?.unlock();
    expect(shared.bytes.every((byte) => byte === 0)).toBe(true);
    expect(await lock(mutex)).toBeDefined();
  });

  test('it takes BYTES bytes, and none around them', async () => {
    const shared = memory();
    shared.bytes.fill(0xa5);
    shared.bytes.fill(0, 100, 100 + Mutex.BYTES);
    const mutex = new Mutex(shared, 100);
    (await mutex.lock()).unlock();
    mutex.lockSync().unlock();
    const around = [...shared.bytes.subarray(0, 100), ...shared.bytes.subarray(100 + Mutex.BYTES)];
    expect(around.every((byte) => byte === 0xa5)).toBe(true);
  });

  test('a Held unlocks once', () => {
    const mutex = new Mutex(memory(), 0);
    const first = mutex.lockSync();
    first.unlock();
    const second = mutex.lockSync();
    first.unlock();
    first[Symbol.dispose]();
    expect(mutex.tryLock()).toBeUndefined();
    second.unlock();
    expect(mutex.tryLock()).toBeDefined();
  });

  test('using unlocks at the end of the block, also when it throws', async () => {
    const mutex = new Mutex(memory(), 0);
    await expect(
      (async () => {
        using held = await mutex.lock();
        expect(held.ownerDied).toBe(false);
        throw new Error('in the block');
      })(),
    ).rejects.toThrow('in the block');
    mutex.tryLock()?.unlock();
  });

  test('lockSync() of a lock that it holds is EDEADLK, through whatever object', async () => {
    const shared = memory();
    const mutex = new Mutex(shared, 16);
    const held = await mutex.lock();
    for (const other of [mutex, new Mutex(shared, 16), new Mutex(again(shared), 16)]) {
      expect(thrown(() => other.lockSync())).toBe('EDEADLK');
      expect(thrown(() => other.lockSync(0))).toBe('EDEADLK');
      expect(other.tryLock()).toBeUndefined();
      expect(await outcome(other.lock({ timeout: 1 }))).toBe('ETIMEDOUT');
    }
    held.unlock();
    new Mutex(again(shared), 16).lockSync().unlock();
  });

  test('two locks beside each other are two', () => {
    const shared = memory();
    const one = new Mutex(shared, 0).lockSync();
    const other = new Mutex(shared, Mutex.BYTES).lockSync();
    one.unlock();
    expect(new Mutex(shared, Mutex.BYTES).tryLock()).toBeUndefined();
    other.unlock();
  });

  test('tasks queue in the order of their calls, through whatever object', async () => {
    const shared = memory();
    const objects = [new Mutex(shared, 0), new Mutex(again(shared), 0)];
    const order: number[] = [];
    let inside = 0;
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        using held = await objects[i % 2]!.lock();
        expect(held.ownerDied).toBe(false);
        expect(++inside).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        inside--;
        order.push(i);
      }),
    );
    expect(order).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  test('another task may unlock it', async () => {
    const mutex = new Mutex(memory(), 0);
    const held = mutex.lockSync();
    const next = mutex.lock();
    const isNext = settledYet(next);
    await new Promise((resolve) => setImmediate(resolve));
    expect(isNext()).toBe(false);
    setImmediate(() => held.unlock());
    (await next).unlock();
  });

  test('timeout and abort, at the head of the line and behind it', async () => {
    const mutex = new Mutex(memory(), 0);
    const held = mutex.lockSync();
    const abort = new AbortController();
    const reason = new Error('enough');
    const head = mutex.lock({ signal: abort.signal });
    const behind = mutex.lock({ timeout: 5 });
    const aborted = mutex.lock({ signal: abort.signal });
    const last = mutex.lock();
    expect(await outcome(behind)).toBe('ETIMEDOUT');
    abort.abort(reason);
    await expect(head).rejects.toBe(reason);
    await expect(aborted).rejects.toBe(reason);
    await expect(mutex.lock({ signal: abort.signal })).rejects.toBe(reason);
    expect(await outcome(mutex.lock({ timeout: 0 }))).toBe('ETIMEDOUT');
    held.unlock();
    (await last).unlock();
    expect(await outcome(mutex.lock({ timeout: 0 }))).toMatchObject({ ownerDied: false });
  });

  test('a timeout that is longer than any timer', async () => {
    const mutex = new Mutex(memory(), 0);
    const held = mutex.lockSync(1e15);
    const waiting = [mutex.lock({ timeout: 1e15 }), mutex.lock({ timeout: Infinity })];
    held.unlock();
    for (const one of waiting) (await one).unlock();
  });

  test('an unlocked Held that nobody looks at any more stays locked', async () => {
    const shared = memory();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    (() => void new Mutex(shared, 0).lockSync())();
    for (let i = 0; i < 3; i++) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Seen by another participant, who would take it from a dead one.
    using other = new Mutex(again(shared), 0).tryLock();
    expect(other).toBeUndefined();
    const worker = new TestWorker(
      `post(await told(() => new Mutex(SharedMemory.adopt(data), 0).tryLock() === undefined));`,
      shared.fd,
    );
    expect(await worker.next()).toBe(true);
    await worker.ended;
  });
});

describe('workers', () => {
  test('a counter that is not atomic adds up', async () => {
    const shared = memory();
    const rounds = 20_000;
    const count = `
      const memory = SharedMemory.adopt(data.fd);
      const mutex = new Mutex(memory, 0);
      const counter = memory.view(Int32Array, 64, 1);
      for (let i = 0; i < data.rounds; i++) {
        const held = data.isAsync && i % 10 === 0 ? await mutex.lock() : mutex.lockSync();
        counter[0]++;
        held.unlock();
      }
    `;
    const workers = [false, true].map(
      (isAsync) => new TestWorker(count, { fd: shared.fd, rounds, isAsync }),
    );
    const mutex = new Mutex(shared, 0);
    const counter = shared.view(Int32Array, 64, 1);
    for (let i = 0; i < rounds; i++) {
      using held = i % 100 === 0 ? await mutex.lock() : mutex.lockSync();
      expect(held.ownerDied).toBe(false);
      counter[0]!++;
    }
    for (const worker of workers) expect(await worker.ended).toBe(0);
    expect(counter[0]).toBe(3 * rounds);
  });

  const ends: readonly [string, string, (worker: TestWorker) => unknown][] = [
    ['terminated', 'setInterval(() => {}, 1000)', (worker) => worker.terminate()],
    ['ended', '', () => {}],
    ['exited', 'process.exit(0)', () => {}],
  ];
  for (const [where, source] of [
    ['memory with a descriptor', 'SharedMemory.adopt(data)'],
    ['anonymous memory', 'Mapping.from(data)'],
  ] as const) {
    test.each(ends)(`an owner that is %s tells the next, once: ${where}`, async (_, rest, end) => {
      const shared = unmapped(
        where === 'anonymous memory' ? anonymous(PAGE_SIZE) : SharedMemory.create(PAGE_SIZE),
      );
      const data = shared instanceof SharedMemory ? shared.fd : shared.sharedBuffer;
      const worker = new TestWorker(
        `globalThis.held = new Mutex(${source}, 0).lockSync(); post('held'); ${rest}`,
        data,
      );
      await worker.next();
      const mutex = new Mutex(shared, 0);
      const waiting = mutex.lock();
      await end(worker);
      await worker.ended;
      const held = await waiting;
      expect(held.ownerDied).toBe(true);
      held.unlock();
      expect(mutex.lockSync().ownerDied).toBe(false);
    });
  }
});

describe('processes', () => {
  const holder = (shared: SharedMemory) =>
    new Program(process.execPath, [program('mutex-holder')], { ipc: true, fds: [shared.fd] });

  test.each(ways)(
    'one that is killed while it holds the lock tells the next, once: %s',
    async (_, lock) => {
      const shared = memory();
      const peer = holder(shared);
      await until('it is held', () => shared.view(Int32Array, 64, 1)[0] === 1);
      const mutex = new Mutex(shared, 0);
      expect(mutex.tryLock()).toBeUndefined();
      expect(await outcome(mutex.lock({ timeout: 1 }))).toBe('ETIMEDOUT');
      expect(thrown(() => mutex.lockSync(1))).toBe('ETIMEDOUT');
      peer.child.kill('SIGKILL');
      const { signal } = await peer.ended;
      expect(signal).toBe('SIGKILL');
      const held = await lock(mutex);
      expect(held?.ownerDied).toBe(true);
      held?.unlock();
      expect((await lock(mutex))?.ownerDied).toBe(false);
    },
  );

  test('one that is killed wakes who waits for it already', async () => {
    const shared = memory();
    const peer = holder(shared);
    await until('it is held', () => shared.view(Int32Array, 64, 1)[0] === 1);
    const mutex = new Mutex(shared, 0);
    const all = [mutex.lock(), mutex.lock()];
    peer.child.kill('SIGKILL');
    await peer.ended;
    const first = await all[0]!;
    expect(first.ownerDied).toBe(true);
    first.unlock();
    expect((await all[1]!).ownerDied).toBe(false);
  });
});

describe('the memory', () => {
  test('unmapped while it is locked: the next owner is told, and so is who unlocks', async () => {
    const shared = memory();
    const other = SharedMemory.adopt(shared.fd);
    const held = new Mutex(other, 0).lockSync();
    other.unmap();
    const mutex = new Mutex(shared, 0);
    expect(mutex.lockSync().ownerDied).toBe(true);
    expect(thrown(() => held.unlock())).toBe('ERR_MAPPING_CLOSED');
    expect(mutex.tryLock()).toBeUndefined();
  });

  test('unmapped while somebody waits', async () => {
    const shared = SharedMemory.create(PAGE_SIZE);
    const mutex = new Mutex(shared, 0);
    mutex.lockSync();
    const waiting = [mutex.lock(), mutex.lock({ timeout: 1e6 })].map(outcome);
    shared.unmap();
    expect(await Promise.all(waiting)).toEqual(['ERR_MAPPING_CLOSED', 'ERR_MAPPING_CLOSED']);
    for (const call of [() => mutex.lockSync(), () => mutex.tryLock()]) {
      expect(thrown(call)).toBe('ERR_MAPPING_CLOSED');
    }
    expect(thrown(() => new Mutex(shared, 0))).toBe('ERR_MAPPING_CLOSED');
  });

  test('slid away and back', () => {
    const path = tempFile(4 * PAGE_SIZE);
    const window = unmapped(map(path, { access: 'write', length: PAGE_SIZE }));
    const mutex = new Mutex(window, 128);
    const held = mutex.lockSync();
    window.slide(2 * PAGE_SIZE);
    window.bytes.fill(0x5a);
    expect(thrown(() => held.unlock())).toBe('ERR_OUT_OF_RANGE');
    expect(thrown(() => mutex.tryLock())).toBe('ERR_OUT_OF_RANGE');
    expect(window.bytes.every((byte) => byte === 0x5a)).toBe(true);
    window.slide(0);
    held.unlock();
    expect(mutex.tryLock()).toBeDefined();
  });

  test('resized beyond its reserve', () => {
    const path = tempFile(PAGE_SIZE);
    const mapping = unmapped(map(path, { access: 'write' }));
    const mutex = new Mutex(mapping, 8);
    const held = mutex.lockSync();
    mapping.resize(64 * PAGE_SIZE);
    expect(mutex.tryLock()).toBeUndefined();
    held.unlock();
    mutex.lockSync().unlock();
  });

  test('a file that was cut: ERR_MAPPING_FAULT, with the faults', async () => {
    const path = tempFile(2 * PAGE_SIZE);
    const mapping = unmapped(map(path, { access: 'write' }));
    const mutex = new Mutex(mapping, PAGE_SIZE);
    const cutter = unmapped(map(path, { access: 'write' }));
    cutter.resize(PAGE_SIZE);
    const calls = [() => mutex.tryLock(), () => mutex.lockSync(), () => mutex.lock()];
    for (const call of calls) {
      await expect((async () => call())()).rejects.toMatchObject({
        code: 'ERR_MAPPING_FAULT',
        faults: [{ offset: PAGE_SIZE, kind: 'truncated' }],
      });
    }
  });

  test('to read, private, misaligned, out of range', () => {
    const path = tempFile(PAGE_SIZE);
    expect(thrown(() => new Mutex(unmapped(map(path)), 0))).toBe('ERR_MAPPING_ACCESS');
    expect(thrown(() => new Mutex(unmapped(map(path, { access: 'copy' })), 0))).toBe(
      'ERR_INVALID_ARG_TYPE',
    );
    const own = unmapped(anonymous(PAGE_SIZE, { shared: false }));
    expect(thrown(() => new Mutex(own, 0))).toBe('ERR_INVALID_ARG_TYPE');
    const shared = memory();
    for (const offset of [1, 2, 3, 5, PAGE_SIZE - Mutex.BYTES + 4, PAGE_SIZE, 2 ** 40, -4, 0.5]) {
      expect(thrown(() => new Mutex(shared, offset))).toBe('ERR_OUT_OF_RANGE');
    }
    expect(new Mutex(shared, PAGE_SIZE - Mutex.BYTES).tryLock()).toBeDefined();
    const unaligned = unmapped(map(path, { access: 'write', offset: 2, length: 100 }));
    expect(thrown(() => new Mutex(unaligned, 0))).toBe('ERR_OUT_OF_RANGE');
    expect(new Mutex(unaligned, 2).tryLock()).toBeDefined();
  });

  test('garbage in the lock word: an answer, or the time is over', async () => {
    const shared = memory();
    const word = shared.view(Uint32Array, 0, 1);
    const mutex = new Mutex(shared, 0);
    const answers = new Set<unknown>();
    for (let i = 0; i < 300; i++) {
      word[0] = (Math.random() * 2 ** 32) >>> 0;
      const locked = await outcome(mutex.lock({ timeout: 1 }));
      // Overwritten under its owner.
      word[0] = i % 2 ? 0 : 0xffff_ffff;
      const isHeld = typeof locked === 'object' && locked !== null;
      answers.add(isHeld ? thrown(() => (locked as Held).unlock()) : locked);
    }
    expect([...answers].sort()).toEqual(['EPERM']);
    word[0] = 0;
    expect(mutex.lockSync().ownerDied).toBe(false);
  });

  test('descriptors and regions go back to where they were', async () => {
    const before = stats();
    for (let i = 0; i < 50; i++) {
      const shared = SharedMemory.create(PAGE_SIZE);
      const mutex = new Mutex(shared, 0);
      const other = new Mutex(shared, 8);
      mutex.lockSync().unlock();
      if (i % 2) other.lockSync();
      shared.unmap();
    }
    await until('all is given back', () => stats().descriptors === before.descriptors);
    await until('all is unmapped', () => stats().regions === before.regions);
  });
});
