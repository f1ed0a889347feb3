// memmap/sync with arguments that are no good.
import { anonymous, map, SharedMemory } from 'memmap';
import { MAP, mmap, munmap, PAGE_SIZE, PROT } from 'memmap/posix';
import { type Cell, Mutex, notify, wait, waitAsync } from 'memmap/sync';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  type Bad,
  badInteger,
  badOptions,
  outOfRange,
  refused,
  refuses,
  rejectsAll,
  thrown,
  wrongType,
  wrongTypes,
} from './support/bad.js';
import { tempFile } from './support/temp.js';

function cells(): Int32Array {
  const memory = SharedMemory.create(PAGE_SIZE);
  onTestFinished(() => memory.unmap());
  return memory.view(Int32Array);
}

/** Arrays that are no cells, and cells of memory that nobody shares. */
const noCell = (): Bad[] => {
  const copy = map(tempFile(PAGE_SIZE), { access: 'copy' });
  const own = anonymous(PAGE_SIZE, { shared: false });
  const raw = mmap(PAGE_SIZE, PROT.READ | PROT.WRITE, MAP.PRIVATE | MAP.ANONYMOUS);
  onTestFinished(() => {
    copy.unmap();
    own.unmap();
    munmap(raw);
  });
  const { buffer } = cells();
  return [
    ...wrongTypes(),
    ...wrongType(
      buffer,
      new Uint8Array(buffer),
      new Int16Array(buffer),
      new Float32Array(buffer),
      new Float64Array(buffer),
      new BigInt64Array(buffer),
      new DataView(buffer),
      new Int32Array(4),
      new Int32Array(new SharedArrayBuffer(16)),
      Object.create(new Int32Array(buffer)),
      new Proxy(new Int32Array(buffer), {}),
      copy.view(Int32Array),
      own.view(Uint32Array),
      new Int32Array(raw),
    ),
  ];
};
const times = (): Bad[] => [
  ...wrongTypes('number', 'undefined'),
  ...outOfRange(Number.NaN, -1, -Infinity, -1e-9),
];
const badValue = (cell: Cell): Bad[] =>
  cell instanceof Int32Array
    ? [...badInteger({ min: -(2 ** 31), max: 2 ** 31 - 1 })]
    : [...badInteger({ min: 0, max: 2 ** 32 - 1 })];

describe('wait() and waitAsync()', () => {
  test('cell', async () => {
    refuses('cell', noCell(), (cell) => wait(cell as Cell, 0, 0, 0));
    await rejectsAll('cell', noCell(), (cell) => waitAsync(cell as Cell, 0, 0, { timeout: 0 }));
  });

  test('index', async () => {
    const cell = cells();
    const bad = badInteger({ min: 0, max: cell.length - 1 });
    refuses('index', bad, (index) => wait(cell, index, 0, 0));
    await rejectsAll('index', bad, (index) => waitAsync(cell, index, 0, { timeout: 0 }));
    refuses('index', outOfRange(0, 1), (index) => wait(cell.subarray(0, 0), index, 0, 0));
  });

  test('value', async () => {
    for (const cell of [cells(), new Uint32Array(cells().buffer)]) {
      refuses('value', badValue(cell), (value) => wait(cell, 0, value, 0));
      await rejectsAll('value', badValue(cell), (value) =>
        waitAsync(cell, 0, value, { timeout: 0 }),
      );
    }
  });

  test('timeout, signal, options', async () => {
    const cell = cells();
    refuses('timeout', times(), (timeout) => wait(cell, 0, 0, timeout));
    await rejectsAll('options', badOptions(), (options) => waitAsync(cell, 0, 0, options));
    await rejectsAll('options.timeout', times(), (timeout) => waitAsync(cell, 0, 0, { timeout }));
    await rejectsAll('options.signal', wrongTypes('undefined'), (signal) =>
      waitAsync(cell, 0, 0, { signal }),
    );
  });

  test('a cell that lies across words', () => {
    const mapping = map(tempFile(PAGE_SIZE), { access: 'write', offset: 2, length: 64 });
    onTestFinished(() => mapping.unmap());
    const cell = new Int32Array(mapping.buffer, 0, 4);
    for (const call of [() => wait(cell, 0, 0, 0), () => notify(cell, 0)]) {
      expect(refused(call)).toMatchObject({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
    }
  });

  test('a cell that is no more', async () => {
    const memory = SharedMemory.create(PAGE_SIZE);
    const cell = memory.view(Int32Array);
    memory.unmap();
    for (const call of [() => wait(cell, 0, 0), () => notify(cell, 0)]) {
      expect(thrown(call)).toMatchObject({ code: 'ERR_MAPPING_CLOSED' });
    }
    await expect(waitAsync(cell, 0, 0)).rejects.toMatchObject({ code: 'ERR_MAPPING_CLOSED' });
  });
});

test('notify()', () => {
  const cell = cells();
  refuses('cell', noCell(), (value) => notify(value as Cell, 0));
  refuses('index', badInteger({ min: 0, max: cell.length - 1 }), (index) => notify(cell, index));
  const good = [Number.POSITIVE_INFINITY];
  const counts = badInteger({ min: 0 }, 'undefined').filter(
    ([value]) => !good.includes(value as number),
  );
  refuses('count', counts, (count) => notify(cell, 0, count));
  expect(notify(cell, 0, Number.MAX_SAFE_INTEGER)).toBe(0);
});

describe('Mutex', () => {
  const mutex = (): Mutex => {
    const memory = SharedMemory.create(PAGE_SIZE);
    onTestFinished(() => memory.unmap());
    return new Mutex(memory, 0);
  };

  test('memory and byteOffset', () => {
    const memory = SharedMemory.create(PAGE_SIZE);
    onTestFinished(() => memory.unmap());
    const fake = Object.create(SharedMemory.prototype);
    const noMemory = [...wrongTypes(), ...wrongType(memory.buffer, memory.bytes, fake)];
    for (const [value] of noMemory) {
      expect(thrown(() => new Mutex(value as SharedMemory, 0))).toBeInstanceOf(TypeError);
    }
    refuses('byteOffset', badInteger(), (offset) => new Mutex(memory, offset));
  });

  test('the options of lock(), the timeout of lockSync()', async () => {
    const one = mutex();
    await rejectsAll('options', badOptions(), (options) => one.lock(options));
    await rejectsAll('options.timeout', times(), (timeout) => one.lock({ timeout }));
    await rejectsAll('options.signal', wrongTypes('undefined'), (signal) => one.lock({ signal }));
    refuses('timeout', times(), (timeout) => one.lockSync(timeout));
    expect(one.tryLock()).toBeDefined();
  });

  test('its methods, borrowed', async () => {
    const one = mutex();
    for (const other of [undefined, {}, Object.create(one), Mutex.prototype]) {
      expect(thrown(() => one.lockSync.call(other as Mutex))).toBeInstanceOf(TypeError);
      expect(thrown(() => one.tryLock.call(other as Mutex))).toBeInstanceOf(TypeError);
      await expect(one.lock.call(other as Mutex)).rejects.toBeInstanceOf(TypeError);
    }
    one.lockSync().unlock();
  });
});
