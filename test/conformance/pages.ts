// What is asked of pages: protection, advice, locks in memory, residency.

import assert from 'node:assert/strict';
import { anonymous, map } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { lockedPages } from '../support/proc.js';
import type { Features } from './feature.js';
import { pages } from './files.js';

const P = PAGE_SIZE;

export const features: Features = {
  protect() {
    const mapping = map(pages(), { access: 'write' });
    mapping.protect('read', P, P);
    const { bytes } = mapping;
    assert.equal(bytes[P], 2);
    bytes[0] = 9;
    mapping.protect('write');
    bytes[P] = 9;
    assert.deepEqual(mapping.faults, []);
    mapping.unmap();
  },
  async 'advise and prefetch'() {
    const mapping = map(pages(), { advice: 'random' });
    for (const advice of ['normal', 'random', 'sequential', 'willneed', 'dontneed']) {
      mapping.advise(advice, 0, 2 * P);
    }
    await mapping.prefetch(P, P);
    assert.equal(mapping.bytes[P], 2);
    mapping.unmap();
  },
  'lock and unlock'() {
    const before = lockedPages();
    const mapping = anonymous(4 * P);
    mapping.lock(P, 2 * P);
    assert.equal(lockedPages(), before + 2);
    mapping.unlock();
    assert.equal(lockedPages(), before);
    mapping.unmap();
  },
  'locked pages of a mapping that slides'() {
    const before = lockedPages();
    const mapping = map(pages(), { length: 2 * P, lock: true });
    mapping.slide(2 * P);
    assert.equal(lockedPages(), before + 2);
    assert.equal(mapping.bytes[0], 3);
    mapping.unmap();
    assert.equal(lockedPages(), before);
  },
  'residency and usage'() {
    const mapping = anonymous(4 * P);
    mapping.bytes[2 * P] = 1;
    const { pages, resident, map } = mapping.residency();
    assert.deepEqual([pages, resident, [...map]], [4, 1, [0, 0, 1, 0]]);
    assert.equal(mapping.usage().size, 4 * P);
    assert.equal(mapping.usage().rss, P);
    mapping.unmap();
  },
  'anonymous, shared and private'() {
    for (const shared of [true, false]) {
      const mapping = anonymous(P, { shared, populate: true });
      mapping.bytes[3] = 1;
      assert.equal(mapping.view(Uint8Array, 3, 1)[0], 1);
      mapping.unmap();
    }
  },
};
