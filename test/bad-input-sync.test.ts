// wait(), waitAsync(), notify() and the Mutex with arguments that are no good, and methods on objects that
// are none of theirs.

import { anonymous, type Mapping, map, SharedMemory, stats } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { type Cell, Mutex, notify, wait, waitAsync } from 'memmap/sync';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  type Bad,
  badInteger,
  badOptions,
  outOfRange,
  refused,
  refuses,
  rejectsAll,
  shape,
  wrongType,
  wrongTypes,
} from './support/bad.js';
import { collected } from './support/gc.js';
import { tempFile } from './support/temp.js';

function unmapped<M extends Mapping>(mapping: M): M {
  onTestFinished(() => mapping.unmap());
  return mapping;
}
const memory = (): SharedMemory => unmapped(SharedMemory.create(PAGE_SIZE));

const TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const CLOSED = { name: 'Error', code: 'ERR_MAPPING_CLOSED' };

const badTime = (): Bad[] => [
  ...wrongTypes('number', 'undefined'),
  ...outOfRange(Number.NaN, -1, -Infinity, -Number.MIN_VALUE),
];
const badSignal = (): Bad[] => [
  ...wrongTypes('undefined'),
  ...wrongType(new EventTarget(), new AbortController(), { aborted: false }),
];

/** The three functions of a cell, as far as they have arguments in common. */
const functions: [string, (cell: Cell, index: number) => unknown][] = [
  ['wait()', (cell, index) => wait(cell, index, 0, 0)],
  ['notify()', (cell, index) => notify(cell, index)],
];
const rejects = (cell: Cell, index: number, value = 0) =>
  waitAsync(cell, index, value, { timeout: 0 });

// What the tests before have left to the collector is not to go in the middle of one.
beforeEach(() => collected('all regions', () => stats().regions === 0));

/** Arrays of other elements, and what is none. */
function badCells(): Bad[] {
  const { buffer } = memory();
  const classes = [Uint8Array, Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Float32Array];
  return [
    ...wrongTypes(),
    ...wrongType(buffer, memory(), memory().sharedBuffer, new DataView(buffer)),
    ...wrongType(...classes.map((Class) => new Class(buffer))),
    ...wrongType(new BigInt64Array(buffer), new Float64Array(buffer)),
    ...wrongType(Object.create(Int32Array.prototype), new Proxy(new Int32Array(buffer), {})),
  ];
}

describe('cell', () => {
  test.each(functions)('%s', (_, call) => {
    refuses('cell', badCells(), (cell) => call(cell, 0));
  });
  test('waitAsync()', async () => {
    await rejectsAll('cell', badCells(), (cell) => rejects(cell, 0));
  });

  /** Arrays of the right kind, over memory that is not. */
  const foreign: [string, () => Cell][] = [
    ['memory of the runtime', () => new Int32Array(4)],
    ['a SharedArrayBuffer of the runtime', () => new Uint32Array(new SharedArrayBuffer(16))],
    ['private memory', () => unmapped(anonymous(PAGE_SIZE, { shared: false })).view(Int32Array)],
    ["a file with 'copy'", () => unmapped(map(tempFile(16), { access: 'copy' })).view(Int32Array)],
    ['a copy of a cell', () => new Int32Array(memory().buffer).slice()],
  ];
  test.each(foreign)('%s', async (_, make) => {
    const cell = make();
    for (const [, call] of functions) expect(shape(refused(() => call(cell, 0)))).toEqual(TYPE);
    expect(shape(await rejects(cell, 0).catch((error) => error))).toEqual(TYPE);
  });

  test('of a mapping that was unmapped: its buffer, its views, its sharedBuffer', async () => {
    const mapping = anonymous(PAGE_SIZE);
    const cells = [
      new Int32Array(mapping.buffer),
      mapping.view(Uint32Array, 8, 1),
      new Int32Array(mapping.sharedBuffer),
    ];
    mapping.unmap();
    for (const cell of cells) {
      for (const [, call] of functions) expect(shape(refused(() => call(cell, 0)))).toEqual(CLOSED);
      expect(shape(await rejects(cell, 0).catch((error) => error))).toEqual(CLOSED);
    }
  });

  test('at an address that is no multiple of 4', async () => {
    const path = tempFile(64);
    const shared = unmapped(map(path, { access: 'write', offset: 2, length: 32 })).sharedBuffer;
    const cell = new Int32Array(shared);
    for (const [, call] of functions) expect(shape(refused(() => call(cell, 1)))).toEqual(RANGE);
    expect(shape(await rejects(cell, 0).catch((error) => error))).toEqual(RANGE);
  });

  test('that says it is longer than it is', async () => {
    const cell = new Int32Array(memory().buffer, 0, 4);
    Object.defineProperty(cell, 'length', { value: 2 ** 40 });
    for (const index of [4, 2 ** 20, 2 ** 39]) {
      for (const [, call] of functions) {
        expect(shape(refused(() => call(cell, index)))).toEqual(RANGE);
      }
      expect(shape(await rejects(cell, index).catch((error) => error))).toEqual(RANGE);
    }
  });
});

describe('the other arguments', () => {
  test('index', async () => {
    const cell = new Int32Array(memory().buffer, 8, 4);
    const empty = new Int32Array(memory().buffer, 8, 0);
    for (const [, call] of functions) {
      refuses('index', badInteger({ max: 3 }), (index) => call(cell, index));
      refuses('index', outOfRange(0, -1), (index) => call(empty, index));
    }
    await rejectsAll('index', badInteger({ max: 3 }), (index) => rejects(cell, index));
  });

  test('value', async () => {
    const { buffer } = memory();
    for (const [cell, min, max] of [
      [new Int32Array(buffer), -(2 ** 31), 2 ** 31 - 1],
      [new Uint32Array(buffer), 0, 2 ** 32 - 1],
    ] as const) {
      refuses('value', badInteger({ min, max }), (value) => wait(cell, 0, value, 0));
      await rejectsAll('value', badInteger({ min, max }), (value) => waitAsync(cell, 0, value));
    }
  });

  test('timeout', async () => {
    const cell = new Int32Array(memory().buffer);
    refuses('timeout', badTime(), (timeout) => wait(cell, 0, 0, timeout));
    await rejectsAll('options.timeout', badTime(), (timeout) =>
      waitAsync(cell, 0, 0, { timeout, signal: AbortSignal.timeout(1000) }),
    );
  });

  test('options, and the signal', async () => {
    const cell = new Int32Array(memory().buffer);
    await rejectsAll('options', badOptions(), (options) => waitAsync(cell, 0, 0, options));
    await rejectsAll('options.signal', badSignal(), (signal) => waitAsync(cell, 0, 0, { signal }));
    // One that passes for a signal is refused as Node refuses it.
    const heir = Object.create(AbortSignal.prototype) as AbortSignal;
    await expect(waitAsync(cell, 0, 0, { signal: heir })).rejects.toBeInstanceOf(TypeError);
    expect(notify(cell, 0)).toBe(0);
  });

  test('count', () => {
    const cell = new Int32Array(memory().buffer);
    const bad = badInteger({}, 'undefined').filter(([value]) => value !== Infinity);
    refuses('count', bad, (count) => notify(cell, 0, count));
  });

  test('options whose getters unmap the memory', async () => {
    const mapping = anonymous(PAGE_SIZE);
    const cell = new Int32Array(mapping.buffer);
    const options = {
      get timeout() {
        mapping.unmap();
        return 5;
      },
    };
    const error: unknown = await waitAsync(cell, 0, 0, options).catch((reason: unknown) => reason);
    expect(['ERR_MAPPING_CLOSED', 'ERR_INVALID_ARG_TYPE']).toContain(
      (error as { code: unknown }).code,
    );
  });

  test('options whose getters throw', async () => {
    const reason = new Error('on purpose');
    const options = {
      get signal(): AbortSignal {
        throw reason;
      },
    };
    const shared = memory();
    await expect(waitAsync(shared.view(Int32Array), 0, 0, options)).rejects.toBe(reason);
    const mutex = new Mutex(shared, 0);
    await expect(mutex.lock(options)).rejects.toBe(reason);
    mutex.lockSync(0).unlock();
  });
});

describe('new Mutex()', () => {
  test('memory', () => {
    const good = memory();
    const lookalike = Object.create(SharedMemory.prototype);
    refuses('memory', [...wrongTypes(), ...wrongType(good.buffer, good.bytes)], (value) => {
      new Mutex(value, 0);
    });
    expect(shape(refused(() => new Mutex(lookalike, 0)))).toMatchObject({ name: 'TypeError' });
  });

  test('byteOffset', () => {
    const good = memory();
    refuses('byteOffset', badInteger(), (value) => new Mutex(good, value));
    const odd = unmapped(map(tempFile(PAGE_SIZE), { access: 'write', offset: 2 }));
    for (const [mapping, at] of [
      [good, 1],
      [good, 2],
      [good, PAGE_SIZE - Mutex.BYTES + 4],
      [good, PAGE_SIZE],
      [good, Number.MAX_SAFE_INTEGER],
      [odd, 0],
    ] as const) {
      expect(shape(refused(() => new Mutex(mapping, at)))).toEqual(RANGE);
    }
    // By the byte of the file, not of the mapping.
    new Mutex(odd, 2).lockSync(0).unlock();
    new Mutex(good, PAGE_SIZE - Mutex.BYTES).lockSync(0).unlock();
    const tiny = unmapped(anonymous(4));
    expect(shape(refused(() => new Mutex(tiny, 0)))).toEqual(RANGE);
  });

  test('memory that a lock cannot be in', () => {
    const path = tempFile(PAGE_SIZE);
    const copy = unmapped(map(path, { access: 'copy' }));
    const own = unmapped(anonymous(PAGE_SIZE, { shared: false }));
    for (const mapping of [copy, own]) {
      expect(shape(refused(() => new Mutex(mapping, 0)))).toEqual(TYPE);
    }
    const read = unmapped(map(path));
    const reader = unmapped(SharedMemory.adopt(memory().fd, { access: 'read' }));
    for (const mapping of [read, reader]) {
      expect(shape(refused(() => new Mutex(mapping, 0)))).toEqual({
        name: 'Error',
        code: 'ERR_MAPPING_ACCESS',
      });
    }
    const closed = anonymous(PAGE_SIZE);
    closed.unmap();
    expect(shape(refused(() => new Mutex(closed, 0)))).toEqual(CLOSED);
  });

  test('is a class', () => {
    expect(() => Reflect.apply(Mutex as never, undefined, [memory(), 0])).toThrow(TypeError);
    expect(Mutex.BYTES).toBe(8);
  });
});

describe('the methods of a Mutex', () => {
  test('timeout, options and signal; the lock is as it was', async () => {
    const shared = memory();
    const mutex = new Mutex(shared, 0);
    const word = () => shared.bytes.readUInt32LE(0);
    refuses('timeout', badTime(), (timeout) => mutex.lockSync(timeout), word);
    await rejectsAll('options', badOptions(), (options) => mutex.lock(options), word);
    await rejectsAll('options.timeout', badTime(), (timeout) => mutex.lock({ timeout }), word);
    await rejectsAll('options.signal', badSignal(), (signal) => mutex.lock({ signal }), word);
    expect(word()).toBe(0);
    mutex.lockSync(0).unlock();
  });

  test('borrowed for other objects', async () => {
    const mutex = new Mutex(memory(), 0);
    const { lock, lockSync, tryLock } = Mutex.prototype;
    const held = mutex.lockSync();
    const { unlock } = held;
    const others = [undefined, null, 1, {}, Object.create(mutex), memory(), new Proxy(mutex, {})];
    for (const other of others) {
      expect(() => Reflect.apply(lockSync, other, [])).toThrow(TypeError);
      expect(() => Reflect.apply(tryLock, other, [])).toThrow(TypeError);
      await expect(Reflect.apply(lock, other, [])).rejects.toThrow(TypeError);
      expect(() => Reflect.apply(unlock, other, [])).toThrow(TypeError);
    }
    expect(mutex.tryLock()).toBeUndefined();
    held.unlock();
    mutex.lockSync(0).unlock();
  });
});
