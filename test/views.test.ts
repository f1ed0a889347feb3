// Mapping.view(): a window of every kind, anywhere it may begin.

import { anonymous, map } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { describe, expect, test } from 'vitest';
import { outOfRange, refuses } from './support/bad.js';
import { tempFile } from './support/temp.js';

class Latin1 extends Uint8Array {
  text(): string {
    return String.fromCharCode(...this);
  }
}
class Prices extends Float64Array {
  static override readonly BYTES_PER_ELEMENT: number = 8;
}
class Record_ extends DataView<ArrayBufferLike> {
  get id(): number {
    return this.getUint32(0, true);
  }
}

const newer = globalThis as { Float16Array?: typeof Float32Array };
const typed = [
  ...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array],
  ...[Float32Array, Float64Array, Prices, Latin1],
  ...(newer.Float16Array ? [newer.Float16Array] : []),
];
const wide = [BigInt64Array, BigUint64Array];
const LENGTH = 2 * PAGE_SIZE;

describe('kinds', () => {
  test.each(typed.map((type) => [type.name, type] as const))('%s', (_, type) => {
    using mapping = anonymous(LENGTH);
    const view = mapping.view(type, 64, 5);
    expect(view).toBeInstanceOf(type);
    expect(view.length).toBe(5);
    view[4] = 100;
    const same = new type(mapping.buffer, 64, 5);
    expect([...same]).toEqual([0, 0, 0, 0, 100]);
    same[0] = 1;
    expect(view[0]).toBe(1);
  });

  test.each(wide.map((type) => [type.name, type] as const))('%s', (_, type) => {
    using mapping = anonymous(LENGTH);
    const view = mapping.view(type, 8, 3);
    expect(view).toBeInstanceOf(type);
    view[2] = 2n ** 62n;
    expect(mapping.bytes.readBigUInt64LE(24)).toBe(2n ** 62n);
  });

  test('DataView, whose length counts bytes', () => {
    using mapping = anonymous(LENGTH);
    const view = mapping.view(DataView, 3, 9);
    expect([view.byteLength, view.byteOffset]).toEqual([9, 0]);
    view.setUint16(0, 0x0102);
    expect([...mapping.bytes.subarray(3, 5)]).toEqual([1, 2]);
    expect(mapping.view(DataView).byteLength).toBe(LENGTH);
    const record = mapping.view(Record_, 3, 4);
    expect(record).toBeInstanceOf(Record_);
    expect(record.id).toBe(0x0201);
  });

  test('Buffer, with all that a Buffer can do', () => {
    using mapping = anonymous(LENGTH);
    // Its constructor is deprecated, so that TypeScript does not take it for one of a view.
    const view = mapping.view(Buffer as unknown as Uint8ArrayConstructor, 10, 20) as Buffer;
    expect(Buffer.isBuffer(view)).toBe(true);
    view.write('written');
    expect(mapping.bytes.toString('latin1', 10, 17)).toBe('written');
    expect(view.toString('latin1', 0, 7)).toBe('written');
    expect([view.length, view.byteOffset, view.buffer.byteLength]).toEqual([20, 0, 20]);
  });

  test('a subclass, with its own methods', () => {
    using mapping = map(tempFile('one two three'));
    expect(mapping.view(Latin1, 4, 3).text()).toBe('two');
  });
});

describe('the window', () => {
  test('is an ArrayBuffer of its own, as long as it is', () => {
    using mapping = anonymous(LENGTH);
    const views = [
      mapping.view(Uint16Array, 100, 10),
      mapping.view(Float64Array, 8),
      mapping.view(DataView, 1, 1),
      mapping.view(Uint8Array, LENGTH),
    ];
    for (const view of views) {
      expect(view.byteOffset).toBe(0);
      expect(view.buffer.byteLength).toBe(view.byteLength);
      expect(view.buffer).not.toBe(mapping.buffer);
    }
    expect(new Set(views.map((view) => view.buffer)).size).toBe(views.length);
  });

  test('goes to the end without a length, and may be empty', () => {
    using mapping = map(tempFile(100), { offset: 4 });
    expect(mapping.view(Uint8Array).length).toBe(96);
    expect(mapping.view(Int32Array, 4).length).toBe(23);
    expect(mapping.view(Uint8Array, 96).length).toBe(0);
    expect(mapping.view(Int32Array, 96, 0).length).toBe(0);
    expect(mapping.view(Int32Array, 0, 0).length).toBe(0);
    expect(mapping.view(DataView, 95).byteLength).toBe(1);
  });

  test('without a length must end with a whole element', () => {
    using mapping = map(tempFile(103));
    refuses('byteOffset', outOfRange(0, 96, 100), (offset) => mapping.view(Float64Array, offset));
    expect(mapping.view(Float64Array, 0, 12).length).toBe(12);
    refuses('length', outOfRange(13), (length) => mapping.view(Float64Array, 0, length));
  });

  test('is detached by unmap(), every one', () => {
    const mapping = map(tempFile(LENGTH), { access: 'write' });
    const views = [
      ...typed.map((type) => mapping.view(type, 8, 2)),
      mapping.view(BigInt64Array),
      mapping.view(DataView, 1),
    ];
    const buffers = views.map((view) => view.buffer);
    mapping.unmap();
    expect(buffers.every((buffer) => buffer.byteLength === 0)).toBe(true);
    for (const view of views) {
      if (view instanceof DataView) expect(() => view.byteLength).toThrow(TypeError);
      else expect([view.length, view[0]]).toEqual([0, undefined]);
    }
  });
});

describe('alignment', () => {
  // Of the byte in the file, which is that of the address.
  test.each([0, 1, 2, 3, 4, 8, PAGE_SIZE - 1, PAGE_SIZE + 3])('at offset %i', (offset) => {
    using mapping = map(tempFile(3 * PAGE_SIZE), { access: 'write', offset });
    for (const type of [...typed, ...wide]) {
      const size = type.BYTES_PER_ELEMENT;
      for (let byteOffset = 0; byteOffset < 17; byteOffset++) {
        const view = () => mapping.view(type as typeof Uint8Array, byteOffset, 1);
        if ((offset + byteOffset) % size === 0) {
          const made = view();
          expect(made.byteLength).toBe(size);
          // The right bytes, too.
          mapping.bytes[byteOffset] = 0xa5;
          expect(new Uint8Array(made.buffer)[0]).toBe(0xa5);
          mapping.bytes[byteOffset] = 0;
        } else {
          refuses('byteOffset', outOfRange(byteOffset), view);
        }
      }
    }
  });

  test('does not matter to bytes and DataView', () => {
    using mapping = map(tempFile(64), { offset: 3 });
    for (let at = 0; at < 20; at++) {
      expect(mapping.view(DataView, at, 8).getFloat64(0)).toBe(0);
      expect(mapping.view(Latin1, at, 8).length).toBe(8);
      expect(mapping.view(Uint8ClampedArray, at, 8).length).toBe(8);
    }
  });
});
