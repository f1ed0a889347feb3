// Mapping's constructor, methods and getters with arguments, and objects, that are no good.

import { anonymous, Mapping, map, SharedMemory } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  type Bad,
  badInteger,
  fileState,
  held,
  outOfRange,
  refused,
  refuses,
  rejectsAll,
  shape,
  wrongType,
  wrongTypes,
} from './support/bad.js';
import { tempFile } from './support/temp.js';

const LENGTH = 2 * PAGE_SIZE;
const CLOSED = { name: 'Error', code: 'ERR_MAPPING_CLOSED' };
const OUT = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

/** Mappings of each kind, until the test is done. */
function mappings(): { path: string; all: Mapping[] } {
  const path = tempFile(LENGTH + 3);
  const all = [
    map(path, { length: LENGTH }),
    map(path, { access: 'write', offset: 3 }),
    map(path, { access: 'copy', length: LENGTH }),
    anonymous(LENGTH),
    anonymous(LENGTH, { shared: false }),
    SharedMemory.create(LENGTH),
  ];
  onTestFinished(() => {
    for (const mapping of all) mapping.unmap();
  });
  return { path, all };
}

const badOffset = (): Bad[] => badInteger({ max: LENGTH }, 'undefined');

describe('new', () => {
  test.each([
    ['Mapping', Mapping],
    ['SharedMemory', SharedMemory],
    ['a subclass', class extends Mapping {}],
  ])('%s is not made by its users', (_, Class) => {
    const handle = anonymous(PAGE_SIZE);
    onTestFinished(() => handle.unmap());
    const make = Class as unknown as new (...args: unknown[]) => unknown;
    for (const key of [
      ...wrongTypes().map(([value]) => value),
      handle,
      Symbol('memmap.internal'),
    ]) {
      const error = refused(() => new make(key, handle, 0, 0));
      expect(shape(error)).toEqual({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    }
    expect(shape(refused(() => new make()))).toMatchObject({ name: 'TypeError' });
    expect(shape(refused(() => Reflect.apply(make, undefined, [])))).toEqual({ name: 'TypeError' });
  });
});

describe('view()', () => {
  test('type', () => {
    const { path, all } = mappings();
    const abstract = Object.getPrototypeOf(Uint8Array);
    for (const mapping of all) {
      const call = (value: never) => mapping.view(value);
      refuses('type', wrongTypes(), call, () => fileState(path));
      const others = [Array, Object, ArrayBuffer, SharedArrayBuffer, Map, abstract, Mapping];
      refuses('type', wrongType(...others, new Uint8Array(1), 'Uint8Array'), call);
    }
  });

  test('byteOffset and length', () => {
    for (const mapping of mappings().all) {
      refuses('byteOffset', badOffset(), (value) => mapping.view(Uint8Array, value));
      refuses('byteOffset', badOffset(), (value) => mapping.view(DataView, value, 0));
      refuses('length', badOffset(), (value) => mapping.view(Uint8Array, 0, value));
      refuses('length', outOfRange(LENGTH), (value) => mapping.view(DataView, 1, value));
      refuses('length', outOfRange(1), (value) => mapping.view(Uint8Array, LENGTH, value));
      refuses('length', outOfRange(LENGTH / 8 + 1), (value) =>
        mapping.view(BigInt64Array, 0, value),
      );
      // Without a length, what remains must be whole elements.
      refuses('byteOffset', outOfRange(LENGTH - 1), (value) => mapping.view(Uint16Array, value));
    }
  });

  test('a class that lies about the size of its elements', () => {
    const [mapping] = mappings().all;
    for (const size of [1, 0, -1, 3, 0.5, 8, Number.NaN, Infinity, '4', null, {}, 1n]) {
      class Liar extends Float64Array {
        static override get BYTES_PER_ELEMENT(): number {
          return size as number;
        }
      }
      // It gets what it asked for where that can be had, and otherwise an error; never other memory.
      try {
        const view = mapping?.view(Liar, 0) ?? new Float64Array();
        expect(view.byteLength).toBeLessThanOrEqual(LENGTH);
        expect(view.byteOffset).toBe(0);
      } catch (error) {
        expect(['TypeError', 'RangeError']).toContain(shape(error)['name']);
      }
    }
  });

  test('a class whose constructor throws, or unmaps', () => {
    const mapping = anonymous(LENGTH);
    const mine = new Error('mine');
    class Throws extends Uint8Array {
      constructor() {
        super();
        throw mine;
      }
    }
    expect(() => mapping.view(Throws)).toThrow(mine);
    class Unmaps extends Uint8Array {
      constructor(buffer: ArrayBufferLike, offset?: number, length?: number) {
        mapping.unmap();
        super(buffer as ArrayBuffer, offset, length);
      }
    }
    expect(() => mapping.view(Unmaps)).toThrow(TypeError);
    expect(mapping.closed).toBe(true);
  });
});

describe('flush() and flushSync()', () => {
  test('offset and length', async () => {
    const { path, all } = mappings();
    const state = () => fileState(path);
    for (const mapping of all) {
      // null is an object, and no iterable.
      const flush = (value: never) => mapping.flush(value);
      await rejectsAll(
        'offset',
        outOfRange(-1, 0.5, LENGTH + 1, Number.NaN, 2 ** 53),
        flush,
        state,
      );
      await rejectsAll(
        'offset',
        wrongTypes('undefined', 'number', 'object', 'array'),
        flush,
        state,
      );
      await rejectsAll('length', badOffset(), (value) => mapping.flush(0, value), state);
      await rejectsAll('length', outOfRange(LENGTH), (value) => mapping.flush(1, value), state);
      refuses('offset', badOffset(), (value) => mapping.flushSync(value), state);
      refuses('length', badOffset(), (value) => mapping.flushSync(0, value), state);
      refuses('length', outOfRange(1), (value) => mapping.flushSync(LENGTH, value), state);
    }
  });

  test('ranges', async () => {
    const { all } = mappings();
    for (const mapping of all) {
      const ranges = (value: never) => mapping.flush(value);
      await rejectsAll('ranges', wrongType({}, new Date(0), Object.create(null)), ranges);
      await rejectsAll(
        'range',
        wrongTypes('array').map(([v, e]) => [[v], e]),
        ranges,
      );
      await rejectsAll('offset', badInteger({ max: LENGTH }, 'undefined'), (value) =>
        mapping.flush([[value, 0]]),
      );
      await rejectsAll('length', badInteger({ max: LENGTH }), (value) =>
        mapping.flush([
          [0, PAGE_SIZE],
          [0, value],
        ]),
      );
      await rejectsAll('length', badInteger({ max: PAGE_SIZE }), (value) =>
        mapping.flush([[PAGE_SIZE, value]]),
      );
    }
  });

  test('ranges that throw, that change while they are read, or that unmap', async () => {
    const path = tempFile(LENGTH);
    using mapping = map(path, { access: 'write' });
    const mine = new Error('mine');
    const throwing = (function* () {
      yield [0, 1] as const;
      throw mine;
    })();
    await expect(mapping.flush(throwing)).rejects.toBe(mine);

    let reads = 0;
    const changing = new Proxy([0, 1] as [number, number], {
      get: (target, key) => (key === '1' && reads++ > 0 ? LENGTH + 1 : Reflect.get(target, key)),
    });
    await mapping.flush([changing]).catch((error) => expect(shape(error)).toEqual(OUT));
    expect(reads).toBeGreaterThan(0);

    const unmapping = (function* () {
      yield [0, 1] as const;
      mapping.unmap();
      yield [1, 1] as const;
    })();
    const error = await mapping.flush(unmapping).catch((reason: unknown) => reason);
    expect(shape(error)).toEqual(CLOSED);
  });
});

describe('a closed mapping', () => {
  test('refuses what needs memory, and still says what it was', async () => {
    for (const mapping of mappings().all) {
      const { length, offset, access, bytes } = mapping;
      mapping.unmap();
      const before = held();
      expect(shape(refused(() => mapping.buffer))).toEqual(CLOSED);
      expect(shape(refused(() => mapping.bytes))).toEqual(CLOSED);
      expect(shape(refused(() => mapping.view(Uint8Array)))).toEqual(CLOSED);
      expect(shape(refused(() => mapping.view(DataView, 0, 0)))).toEqual(CLOSED);
      expect(shape(refused(() => mapping.flushSync()))).toEqual(CLOSED);
      expect(shape(refused(() => mapping.flushSync(0, 0)))).toEqual(CLOSED);
      for (const flush of [mapping.flush(), mapping.flush(1, 2), mapping.flush([[0, 1]])]) {
        const error = await flush.catch((reason: unknown) => reason);
        expect(shape(error)).toEqual(CLOSED);
      }
      if (mapping instanceof SharedMemory) {
        expect(shape(refused(() => mapping.fd))).toEqual(CLOSED);
      }
      expect(mapping).toMatchObject({ length, offset, access, closed: true, faults: [] });
      expect(bytes.length).toBe(0);
      mapping.unmap();
      mapping[Symbol.dispose]();
      await mapping[Symbol.asyncDispose]();
      expect(held()).toEqual(before);
    }
  });

  test('an argument that is wrong is still told first', async () => {
    const mapping = anonymous(LENGTH);
    mapping.unmap();
    refuses('type', wrongType(1), (value) => mapping.view(value));
    refuses('offset', outOfRange(-1), (value) => mapping.flushSync(value));
    await rejectsAll('offset', outOfRange(-1), (value) => mapping.flush(value));
  });
});

describe('borrowed for another object', () => {
  const shared = SharedMemory.prototype;
  const plain = anonymous(1); // held on to: what is counted must not change by its collection
  const members = Object.getOwnPropertyNames(Mapping.prototype).filter((n) => n !== 'constructor');
  const strangers = [
    undefined,
    null,
    1,
    'mapping',
    {},
    Object.create(Mapping.prototype),
    Mapping.prototype,
    new Proxy(plain, {}),
    { __proto__: shared },
  ];

  test.each(members)('%s', async (name) => {
    const { get, value } = Object.getOwnPropertyDescriptor(Mapping.prototype, name) ?? {};
    for (const stranger of strangers) {
      if (name === 'flush' || name === 'prefetch') {
        const error = await (Reflect.apply(value, stranger, []) as Promise<void>).catch(
          (reason: unknown) => reason,
        );
        expect(shape(error)).toMatchObject({ name: 'TypeError' });
      } else {
        const error = refused(() => Reflect.apply(get ?? value, stranger, [Uint8Array]));
        expect(shape(error)).toMatchObject({ name: 'TypeError' });
      }
    }
  });

  test.each([Symbol.dispose, Symbol.asyncDispose] as const)('%s', async (symbol) => {
    for (const stranger of strangers) {
      const call = async () => Reflect.apply(Mapping.prototype[symbol], stranger, []);
      const before = held();
      const error = await call().catch((reason: unknown) => reason);
      expect(shape(error)).toMatchObject({ name: 'TypeError' });
      expect(held()).toEqual(before);
    }
  });

  test.each(['fd', 'name'])("SharedMemory's %s", (name) => {
    const get = Object.getOwnPropertyDescriptor(shared, name)?.get as () => unknown;
    // A Mapping that is no SharedMemory has no name.
    for (const stranger of [...strangers, ...(name === 'name' ? [plain] : [])]) {
      expect(shape(refused(() => Reflect.apply(get, stranger, [])))).toMatchObject({
        name: 'TypeError',
      });
    }
  });

  test('what cannot be set is not set', () => {
    const [mapping] = mappings().all;
    for (const name of ['length', 'offset', 'access', 'closed', 'faults', 'buffer', 'bytes']) {
      expect(() => Reflect.apply(Object.assign, Object, [mapping, { [name]: 1 }])).toThrow(
        TypeError,
      );
    }
    expect(mapping).toMatchObject({ length: LENGTH, offset: 0, closed: false });
  });
});
