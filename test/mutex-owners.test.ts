// A lock and its owners in workers and processes: one at a time, and what the next is told when one ends
// while it holds the lock.

import { anonymous, type Mapping, SharedMemory, stats } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { type Held, Mutex } from 'memmap/sync';
import { describe, expect, onTestFinished, test } from 'vitest';
import { areasOf, blockedOn, maps } from './support/proc.js';
import { program, start } from './support/program.js';
import { outcome } from './support/sync.js';
import { until } from './support/until.js';
import { TestWorker } from './support/worker.js';

function unmapped<M extends Mapping>(mapping: M): M {
  onTestFinished(() => mapping.unmap());
  return mapping;
}
const memory = (): SharedMemory => unmapped(SharedMemory.create(PAGE_SIZE));

type Way = 'lock' | 'lockSync' | 'tryLock';
const WAYS: readonly Way[] = ['lock', 'lockSync', 'tryLock'];
/** How the next owner comes: tryLock() may come too early. */
const take = (mutex: Mutex, way: Way): Promise<Held> =>
  way === 'tryLock'
    ? until('the lock is free', () => mutex.tryLock())
    : Promise.resolve(mutex[way]());

/** The one who comes after a dead owner is told, and nobody after him. */
async function toldOnce(mutex: Mutex, way: Way): Promise<void> {
  const held = await take(mutex, way);
  expect(held.ownerDied).toBe(true);
  expect(mutex.tryLock()).toBeUndefined();
  held.unlock();
  for (const again of WAYS) {
    const next = await take(mutex, again);
    expect(next.ownerDied).toBe(false);
    next.unlock();
  }
}

/** Counts in plain memory under the lock, `times` times, now and then with a pause in the middle. */
const COUNTING = `
  const [shared, times, way] = data;
  const mutex = new Mutex(Mapping.from(shared), 0);
  const count = new Int32Array(shared, 64, 1);
  post('there');
  await new Promise((resolve) => parentPort.once('message', resolve));
  for (let i = 0; i < times; i++) {
    const held = way === 'lock' ? await mutex.lock() : mutex.lockSync();
    const seen = count[0];
    if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    count[0] = seen + 1;
    held.unlock();
  }
  post('done');`;

test.each(['anonymous', 'SharedMemory'])(
  '%s: workers and tasks count in plain memory, and none is lost',
  async (kind) => {
    const mapping = kind === 'anonymous' ? unmapped(anonymous(PAGE_SIZE)) : memory();
    const count = new Int32Array(mapping.buffer, 64, 1);
    const mutex = new Mutex(mapping, 0);
    const times = 500;
    const workers = ['lock', 'lockSync', 'lock'].map(
      (way) => new TestWorker(COUNTING, [mapping.sharedBuffer, times, way]),
    );
    onTestFinished(async () => {
      await Promise.all(workers.map((one) => one.terminate()));
    });
    for (const one of workers) expect(await one.next()).toBe('there');
    for (const one of workers) one.send('go');
    const tasks = Array.from({ length: 5 }, async () => {
      for (let i = 0; i < 100; i++) {
        using held = await mutex.lock();
        const seen = count[0] ?? 0;
        if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
        count[0] = seen + 1;
        expect(held.ownerDied).toBe(false);
      }
    });
    await Promise.all(tasks);
    for (const one of workers) expect(await one.next()).toBe('done');
    expect(count[0]).toBe(3 * times + 500);
  },
);

describe('a worker that ends while it holds the lock', () => {
  const body = `
    const mutex = new Mutex(Mapping.from(data[0]), 0);
    globalThis.held = await mutex[data[1]]();
    post(held.ownerDied);
    if (data[2] === 'exit') process.exit(0);
    if (data[2] === 'throw') {
      parentPort.once('message', () => {
        throw new Error('on purpose');
      });
    }
    if (data[2] === 'terminate') setInterval(() => {}, 1000);`;
  const ends = ['return', 'exit', 'throw', 'terminate'];
  const cases = ends.map((end, i) => [
    end,
    WAYS[i % 3],
    i % 2 === 0 ? 'anonymous' : 'SharedMemory',
  ]) as [string, Way, string][];

  test.each(cases)('by %s; the next comes by %s, %s', async (end, way, kind) => {
    const mapping = kind === 'anonymous' ? unmapped(anonymous(PAGE_SIZE)) : memory();
    const worker = new TestWorker(body, [mapping.sharedBuffer, way, end]);
    expect(await worker.next()).toBe(false);
    const mutex = new Mutex(mapping, 0);
    if (end === 'throw') worker.send('go'); // now that it has been heard
    if (end === 'terminate') {
      expect(mutex.tryLock()).toBeUndefined();
      await worker.terminate();
    }
    await worker.ended.catch((error: Error) => expect(error.message).toBe('on purpose'));
    await toldOnce(mutex, way);
  });

  test('while tasks and a blocked worker wait: one of them is told', async () => {
    const mapping = memory();
    const holder = new TestWorker(body, [mapping.sharedBuffer, 'lock', 'terminate']);
    expect(await holder.next()).toBe(false);
    const mutex = new Mutex(mapping, 0);
    await using blocked = new TestWorker(
      `
      const mutex = new Mutex(Mapping.from(data), 0);
      post('there');
      const held = mutex.lockSync();
      const { ownerDied } = held;
      held.unlock();
      post(ownerDied);`,
      mapping.sharedBuffer,
    );
    expect(await blocked.next()).toBe('there');
    const tasks = [1, 2, 3].map(async () => {
      using held = await mutex.lock();
      return held.ownerDied;
    });
    await holder.terminate();
    const all = [...(await Promise.all(tasks)), await blocked.next<boolean>()];
    expect(all.filter(Boolean)).toEqual([true]);
  });
});

describe('a process that ends while it holds the lock', () => {
  const cases = WAYS.flatMap((way, i) => [
    ['stay', way],
    [i % 2 === 0 ? 'exit' : 'return', way],
  ]) as ['stay' | 'exit' | 'return', Way][];

  test.each(cases)('%s; both come by %s', async (end, way) => {
    const shared = memory();
    const mutex = new Mutex(shared, 0);
    const child = start(program('mutex-holder'), [way, end], { fds: [shared.fd] });
    expect(await child.line(/held/)).toBe('held false');
    if (end === 'stay') {
      expect(mutex.tryLock()).toBeUndefined();
      expect(await outcome(mutex.lock({ timeout: 150 }))).toBe('ETIMEDOUT'); // it lives
      expect(await child.kill()).toMatchObject({ code: null, signal: 'SIGKILL' });
    } else {
      const code = end === 'exit' ? 7 : 0;
      expect(await child.ended).toMatchObject({ code, signal: null, stderr: '' });
    }
    await toldOnce(mutex, way);
  });

  test('killed while others wait: one of them is told', async () => {
    const shared = memory();
    const mutex = new Mutex(shared, 0);
    const child = start(program('mutex-holder'), ['lock', 'stay'], { fds: [shared.fd] });
    await child.line(/held/);
    const other = start(program('mutex-holder'), ['lockSync', 'exit'], { fds: [shared.fd] });
    const tasks = [1, 2, 3].map(async () => {
      using held = await mutex.lock();
      return held.ownerDied;
    });
    await child.kill();
    const all = await Promise.all(tasks);
    const { stdout } = await other.ended;
    // The other dies with it in turn: if it came before one of ours, that one was told of it as well.
    const told = all.filter(Boolean).length;
    // The other ends with it in turn, so that it may be two: the second, after the other.
    if (stdout === 'held true\n') expect(told).toBeLessThanOrEqual(1);
    else expect([stdout, told]).toEqual(['held false\n', expect.toBeOneOf([1, 2])]);
    // The other may have come last: then there is one more to be told.
    (await mutex.lock()).unlock();
    expect((await mutex.lock()).ownerDied).toBe(false);
  });
});

describe('unmap() by the thread that made the mapping', () => {
  test('while a worker holds the lock: it is told, and the next owner', async () => {
    const shared = SharedMemory.create(PAGE_SIZE);
    const other = unmapped(SharedMemory.adopt(shared.fd));
    await using worker = new TestWorker(
      `
      const held = new Mutex(Mapping.from(data), 0).lockSync();
      post('held');
      parentPort.once('message', async () => post(await told(() => held.unlock())));`,
      shared.sharedBuffer,
    );
    expect(await worker.next()).toBe('held');
    shared.unmap();
    expect(new Mutex(other, 0).lockSync(0).ownerDied).toBe(true);
    worker.send('go');
    expect(await worker.next()).toEqual({ code: 'ERR_MAPPING_CLOSED' });
  });

  test('while workers wait for the lock, blocked and not', async () => {
    const name = 'mutex-unmap';
    const shared = SharedMemory.create(PAGE_SIZE, { name });
    const held = new Mutex(shared, 0).lockSync();
    const word = areasOf(`/memfd:${name}`, maps())[0]?.start ?? 0;
    const wait = (way: Way) =>
      new TestWorker(
        `post(await told(() => new Mutex(Mapping.from(data), 0).${way}()));`,
        shared.sharedBuffer,
      );
    await using blocked = wait('lockSync');
    await using waiting = wait('lock');
    await until('one is blocked', () => blockedOn(word));
    shared.unmap();
    expect(await blocked.next()).toEqual({ code: 'ERR_MAPPING_CLOSED' });
    expect(await waiting.next()).toEqual({ code: 'ERR_MAPPING_CLOSED' });
    expect(() => held.unlock()).toThrow(/unmapped/);
  });
});

test('workers that end with it, one after the other: each but the first is told', async () => {
  const rounds = process.env['MEMMAP_LONG'] === '1' ? 100 : 5;
  const mapping = memory();
  const before = stats().descriptors;
  for (let round = 0; round < rounds; round++) {
    const worker = new TestWorker(
      `
      const held = await new Mutex(Mapping.from(data), 0).lock();
      post(held.ownerDied);
      process.exit(0);`,
      mapping.sharedBuffer,
    );
    expect(await worker.next()).toBe(round > 0);
    await worker.ended;
  }
  expect(stats().descriptors).toBe(before);
});
