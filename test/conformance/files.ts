// Files: mapping, writing, flushing, growing, walking.

import assert from 'node:assert/strict';
import {
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { map, stats } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { codeOf, type Features } from './feature.js';

const P = PAGE_SIZE;
const GiB = 2 ** 30;

/** A file of four pages, each filled with its number, from 1. */
export function pages(name = 'pages'): string {
  writeFileSync(name, Buffer.concat([1, 2, 3, 4].map((n) => Buffer.alloc(P, n))));
  return name;
}

/** A sparse file. */
function large(bytes: number): string {
  const fd = openSync('large', 'w+');
  ftruncateSync(fd, bytes);
  return 'large';
}

/** Fits all: bytes are what was written at `place`, through a file of so many bytes. */
function writeAt(view: Uint8Array, place: number): void {
  view[0] = 7;
  const bytes = Buffer.alloc(4);
  readSync(openSync('large', 'r'), bytes, 0, 4, place);
  assert.equal(bytes[0], 7);
}

export const features: Features = {
  'shared: a write reaches the file'() {
    using mapping = map(pages(), { access: 'write', offset: P });
    assert.equal(mapping.bytes[0], 2);
    mapping.bytes.write('here', 5);
    assert.equal(readFileSync('pages').toString('latin1', P + 5, P + 9), 'here');
  },
  'private: a write stays here'() {
    const mapping = map(pages(), { access: 'copy' });
    mapping.bytes.fill(9);
    assert.equal(readFileSync('pages')[0], 1);
    mapping.unmap();
  },
  async 'flush and flushSync'() {
    const mapping = map('new', { access: 'write', create: true, length: 3 * P });
    mapping.bytes.fill(1);
    await mapping.flush();
    await mapping.flush([
      [0, 10],
      [2 * P, 10],
    ]);
    mapping.flushSync();
    mapping.flushSync(5, 10);
    assert.equal(readFileSync('new').length, 3 * P);
    assert.equal(await codeOf(() => mapping.flush(0, 4 * P)), 'ERR_OUT_OF_RANGE');
    mapping.unmap();
  },
  'views and windows'() {
    const mapping = map(pages(), { access: 'write' });
    const view = mapping.view(Float64Array, P, 4);
    view[1] = 0.5;
    assert.equal(mapping.view(DataView, P + 8, 8).getFloat64(0, true), 0.5);
    assert.equal(mapping.buffer.byteLength, 4 * P);
    assert.equal(new Float64Array(mapping.buffer, P, 2)[1], 0.5);
    const firsts = [...mapping.windows(Uint8Array, P)].map(({ view, byteOffset }) => [
      byteOffset,
      view.length,
    ]);
    assert.deepEqual(firsts, [0, 1, 2, 3].map((n) => [n * P, P])); // biome-ignore format: a list
    mapping.unmap();
    assert.equal(view.length, 0);
  },
  'view past 4 GiB'() {
    const mapping = map(large(5 * GiB), { access: 'write' });
    const place = 4.5 * GiB;
    writeAt(mapping.view(Uint8Array, place, 1), place);
    mapping.unmap();
  },
  'buffer larger than 4 GiB'() {
    const mapping = map(large(5 * GiB), { access: 'write' });
    const place = 4.5 * GiB;
    writeAt(new Uint8Array(mapping.buffer, place), place);
    mapping.unmap();
  },
  'resize and reserve'() {
    const mapping = map('grows', { access: 'write', create: true, length: 100, reserve: 8 * P });
    const first = mapping.view(Uint8Array, 0, 100);
    mapping.resize(5 * P);
    assert.equal(statSync('grows').size, 5 * P);
    mapping.bytes[4 * P] = 3;
    mapping.bytes[1] = 4;
    assert.equal(first[1], 4);
    mapping.resize(20 * P); // beyond the reserve: it moves
    assert.equal(first.length, 0);
    assert.deepEqual([mapping.bytes[4 * P], mapping.bytes[1]], [3, 4]);
    mapping.resize(P);
    assert.equal(statSync('grows').size, P);
    mapping.unmap();
  },
  async 'slide and refresh'() {
    const mapping = map(pages(), { access: 'write', length: P });
    const { bytes } = mapping;
    for (const page of [3, 1, 2]) {
      assert.equal(mapping.slide(page * P), (4 - page) * P >= P ? P : 0);
      assert.equal(bytes[0], page + 1);
      bytes[1] = 50 + page;
    }
    await mapping.flush();
    assert.deepEqual(
      [1, 2, 3].map((page) => readFileSync('pages')[page * P + 1]),
      [51, 52, 53],
    );
    mapping.unmap();
    const follower = map(pages(), { reserve: 8 * P });
    const fd = openSync('pages', 'r+');
    writeSync(fd, Buffer.alloc(P, 5), 0, P, 4 * P);
    assert.equal(follower.refresh(), 5 * P);
    assert.equal(follower.bytes[5 * P - 1], 5);
    follower.unmap();
  },
  async 'fs reads into a mapped buffer and writes from it'() {
    const mapping = map(pages(), { access: 'write' });
    const { bytes } = mapping;
    writeFileSync('source', Buffer.alloc(P, 0x61));
    assert.equal(readSync(openSync('source', 'r'), bytes, 0, P, 0), P);
    const handle = await open('source', 'r');
    assert.equal((await handle.read(bytes, P, P, 0)).bytesRead, P);
    await handle.close();
    assert.equal(bytes.toString('latin1', 2 * P - 2, 2 * P + 1), 'aa\x03');
    writeFileSync('target', bytes.subarray(P));
    const target = await open('target-2', 'w');
    await target.write(bytes, 2 * P, P);
    await target.close();
    assert.equal(readFileSync('target').compare(bytes, P), 0);
    assert.equal((await readFile('target-2'))[P - 1], 3);
    mapping.unmap();
  },
  'using, Symbol.dispose and Symbol.asyncDispose': async () => {
    const before = stats().mappedBytes;
    let outside: Uint8Array;
    {
      using mapping = map(pages(), { access: 'write' });
      outside = mapping.view(Uint8Array);
      outside[0] = 8;
    }
    assert.equal(outside.length, 0);
    {
      await using mapping = map('pages', { access: 'write' });
      outside = mapping.view(Uint8Array);
    }
    assert.equal(outside.length, 0);
    // Less, if another feature's mapping has been collected meanwhile.
    assert.ok(stats().mappedBytes <= before);
  },
  async 'error codes'() {
    const failed = (call: () => unknown) => {
      try {
        call();
      } catch (error) {
        const { name, code, errno, syscall, path } = error as NodeJS.ErrnoException;
        return { name, code, errno, syscall, path };
      }
      throw new Error('no error');
    };
    assert.deepEqual(
      failed(() => map('missing')),
      {
        name: 'Error',
        code: 'ENOENT',
        errno: -2,
        syscall: 'open',
        path: 'missing',
      },
    );
    const mapping = map(pages());
    assert.deepEqual(
      [
        failed(() => map(true as never)),
        failed(() => mapping.view(Uint8Array, 0, 5 * P)),
        failed(() => mapping.resize(1)),
        failed(() => map('/dev/null')),
      ].map(({ name, code }) => [name, code]),
      [
        ['TypeError', 'ERR_INVALID_ARG_TYPE'],
        ['RangeError', 'ERR_OUT_OF_RANGE'],
        ['Error', 'ERR_MAPPING_ACCESS'],
        ['Error', 'ENODEV'],
      ],
    );
    mapping.unmap();
    mapping.unmap();
    assert.equal(await codeOf(() => mapping.bytes), 'ERR_MAPPING_CLOSED');
    assert.equal(await codeOf(() => mapping.flush()), 'ERR_MAPPING_CLOSED');
  },
};
