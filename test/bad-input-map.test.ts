// map() and anonymous() with arguments that are no good: a clear error, and nothing has happened.

import { join } from 'node:path';
import { anonymous, map } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { describe, expect, test } from 'vitest';
import {
  badBoolean,
  badInteger,
  badOptions,
  badWord,
  fileState,
  outOfRange,
  refused,
  refuses,
  shape,
  wrongType,
  wrongTypes,
} from './support/bad.js';
import { tempDir, tempFile } from './support/temp.js';

const MAX = Number.MAX_SAFE_INTEGER;

describe('map()', () => {
  test('file', () => {
    refuses('file', wrongTypes('string', 'number'), map);
    refuses('file', outOfRange(-1, -2, 2 ** 31, 2 ** 53, 0.5, Number.NaN, Infinity), map);
    refuses(
      'file',
      wrongType('\0', 'a\0b', '/\0', Buffer.from('a\0'), new URL('file:///a%00b')),
      map,
    );
    const lookalikes = [
      new Uint8Array(1),
      new ArrayBuffer(8),
      { fd: '3' },
      { fd: null },
      { href: '' },
    ];
    refuses('file', wrongType(...lookalikes), map);
    refuses('file', outOfRange({ fd: -1 }, { fd: 1.5 }, { fd: Number.NaN }), map);
  });

  test.each([
    ['http:', 'ERR_INVALID_URL_SCHEME', 'http://localhost/file'],
    ['data:', 'ERR_INVALID_URL_SCHEME', 'data:,'],
    ['a host', 'ERR_INVALID_FILE_URL_HOST', 'file://elsewhere/file'],
    ['an encoded slash', 'ERR_INVALID_FILE_URL_PATH', 'file:///a%2Fb'],
  ])('file: a URL with %s is refused as node:fs refuses it', (_, code, href) => {
    const error = refused(() => map(new URL(href), { access: 'write', create: true, length: 1 }));
    expect(shape(error)).toEqual({ name: 'TypeError', code });
  });

  test('options', () => {
    const path = tempFile(PAGE_SIZE);
    refuses(
      'options',
      badOptions(),
      (value) => map(path, value),
      () => fileState(path),
    );
  });

  test.each([
    ['access', badWord()],
    ['advice', badWord()],
    ['offset', badInteger({}, 'undefined')],
    ['length', badInteger({}, 'undefined')],
    ['reserve', badInteger({}, 'undefined')],
    ['create', badBoolean('undefined')],
    ['sparse', badBoolean('undefined')],
    ['populate', badBoolean('undefined')],
    ['lock', badBoolean('undefined')],
    ['hugePages', badBoolean('undefined')],
  ])('options.%s', (name, bad) => {
    const path = tempFile(3 * PAGE_SIZE);
    const missing = join(tempDir(), 'missing');
    for (const access of ['read', 'write', 'copy'] as const) {
      const call = (value: never) => map(path, { access, [name]: value });
      refuses(`options.${name}`, bad, call, () => fileState(path));
    }
    const create = (value: never) =>
      map(missing, { access: 'write', create: true, length: 1, [name]: value });
    // `undefined` as a length is none, and create needs one: refused all the same.
    refuses(`options.${name}`, bad, create, () => fileState(missing));
    refuses(`options.${name}`, bad, (value) => map(9999, { [name]: value }));
  });

  test('options.create needs "write" and a length', () => {
    const path = join(tempDir(), 'missing');
    for (const options of [
      { create: true },
      { create: true, length: 1 },
      { create: true, length: 1, access: 'read' },
      { create: true, length: 1, access: 'copy' },
      { create: true, access: 'write' },
      { create: true, access: 'write', length: 0 },
      { create: true, access: 'write', reserve: 100 },
    ] as const) {
      refuses(
        'options.create',
        wrongType(options),
        (value) => map(path, value),
        () => fileState(path),
      );
    }
  });

  test('ranges whose end cannot be counted, and a reserve below the length', () => {
    const path = tempFile(PAGE_SIZE);
    const state = () => fileState(path);
    const far = { access: 'write', offset: 1, length: MAX } as const;
    refuses('options.length', outOfRange(far), (value) => map(path, value), state);
    const further = { access: 'write', offset: MAX, length: 1 } as const;
    refuses('options.length', outOfRange(further), (value) => map(path, value), state);
    const less = { access: 'write', length: 4 * PAGE_SIZE, reserve: PAGE_SIZE } as const;
    refuses('options.reserve', outOfRange(less), (value) => map(path, value), state);
    // Known only when the size of the file is.
    const error = refused(() => map(path, { reserve: PAGE_SIZE - 1 }), state);
    expect(shape(error)).toEqual({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
  });

  test.each(['read', 'copy'] as const)("'%s' past the end of the file", (access) => {
    const path = tempFile(2 * PAGE_SIZE + 10);
    const state = () => fileState(path);
    const size = 2 * PAGE_SIZE + 10;
    for (const options of [
      { offset: size + 1 },
      { offset: MAX },
      { length: size + 1 },
      { length: MAX },
      { offset: size, length: 1 },
      { offset: 1, length: size },
      { offset: PAGE_SIZE, length: PAGE_SIZE + 11 },
    ]) {
      const error = refused(() => map(path, { access, ...options }), state);
      expect(shape(error)).toEqual({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
    }
  });

  test("an offset past the end without a length is refused with 'write' too", () => {
    const path = tempFile(10);
    const error = refused(
      () => map(path, { access: 'write', offset: 11 }),
      () => fileState(path),
    );
    expect(shape(error)).toEqual({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
  });

  test("an option's getter that throws, or that tells each reader something else", () => {
    const path = tempFile(PAGE_SIZE);
    const mine = new Error('mine');
    const options = {
      get length(): number {
        throw mine;
      },
    };
    expect(
      refused(
        () => map(path, options),
        () => fileState(path),
      ),
    ).toBe(mine);

    let reads = 0;
    const changing = {
      get offset(): number {
        return reads++ === 0 ? 0 : -1;
      },
    };
    using mapping = map(path, changing);
    expect(mapping).toMatchObject({ offset: 0, length: PAGE_SIZE });
    expect(reads).toBe(1);
  });
});

describe('anonymous()', () => {
  test('length', () => {
    refuses('length', badInteger({ min: 1 }), (value) => anonymous(value));
    refuses('length', badInteger({ min: 1 }), (value) => anonymous(value, { shared: false }));
  });

  test('options', () => {
    refuses('options', badOptions(), (value) => anonymous(PAGE_SIZE, value));
  });

  test.each(['shared', 'populate', 'lock', 'hugePages'])('options.%s', (name) => {
    const call = (value: never) => anonymous(PAGE_SIZE, { [name]: value });
    refuses(`options.${name}`, badBoolean('undefined'), call);
  });

  test('more than there are addresses', () => {
    for (const shared of [true, false]) {
      for (const length of [MAX, 2 ** 52, 2 ** 48]) {
        const error = refused(() => anonymous(length, { shared }));
        expect(shape(error)).toEqual({
          name: 'Error',
          code: 'ENOMEM',
          errno: -12,
          syscall: 'mmap',
        });
      }
    }
  });
});

test('file and options are looked at before the file is', () => {
  // No descriptor, no file: what is wrong with the arguments is what is said.
  refuses('options.length', outOfRange(-1), (value) => map('/no/such/file', { length: value }));
  expect(shape(refused(() => map('/no/such/file', { length: 0 })))).toMatchObject({
    code: 'ENOENT',
  });
});
