// memmap/posix: the calls of the man pages.

import assert from 'node:assert/strict';
import { constants, openSync, readFileSync } from 'node:fs';
import * as posix from 'memmap/posix';
import { codeOf, type Features, segmentName } from './feature.js';
import { pages } from './files.js';

const { MADV, MAP, MS, PAGE_SIZE: P, PROT } = posix;
const RW = PROT.READ | PROT.WRITE;

export const features: Features = {
  async 'mmap, msync, munmap'() {
    const fd = openSync(pages(), 'r+');
    const buffer = posix.mmap(2 * P, RW, MAP.SHARED, fd, P);
    const bytes = new Uint8Array(buffer);
    bytes[1] = 9;
    posix.msync(bytes.subarray(0, 5), MS.SYNC);
    assert.equal(readFileSync('pages')[P + 1], 9);
    assert.equal(await codeOf(() => posix.mmap(P, RW, MAP.SHARED, fd, 1)), 'EINVAL');
    posix.munmap(buffer);
    assert.deepEqual([buffer.byteLength, bytes.length], [0, 0]);
  },
  'madvise, mprotect, mlock, mincore'() {
    const buffer = posix.mmap(3 * P, RW, MAP.PRIVATE | MAP.ANONYMOUS);
    new Uint8Array(buffer)[P] = 1;
    assert.deepEqual([...posix.mincore(buffer)], [0, 1, 0]);
    posix.madvise(buffer, MADV.DONTNEED);
    assert.deepEqual([...posix.mincore(buffer)], [0, 0, 0]);
    posix.mlock(buffer);
    assert.deepEqual([...posix.mincore(buffer)], [1, 1, 1]);
    posix.munlock(buffer);
    posix.mprotect(buffer, PROT.READ);
    posix.munmap(buffer);
  },
  mremap() {
    const buffer = posix.mmap(P, RW, MAP.SHARED | MAP.ANONYMOUS);
    const bytes = new Uint8Array(posix.mmap(P, RW, MAP.PRIVATE | MAP.ANONYMOUS));
    bytes[5] = 3;
    const longer = posix.mremap(bytes.buffer as ArrayBuffer, 4 * P);
    assert.deepEqual([bytes.length, longer.byteLength], [0, 4 * P]);
    assert.equal(new Uint8Array(longer)[5], 3);
    posix.munmap(buffer);
    posix.munmap(longer);
  },
  async 'memfd_create, ftruncate, seals, shm_open'() {
    const fd = posix.memfd_create('posix', posix.MFD.ALLOW_SEALING | posix.MFD.CLOEXEC);
    posix.ftruncate(fd, P);
    posix.add_seals(fd, posix.F_SEAL.SHRINK);
    assert.equal(posix.get_seals(fd) & posix.F_SEAL.SHRINK, posix.F_SEAL.SHRINK);
    assert.equal(await codeOf(() => posix.ftruncate(fd, 1)), 'EPERM');
    const name = `/${segmentName('posix')}`;
    posix.shm_open(name, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL);
    posix.shm_unlink(name);
    assert.equal(await codeOf(() => posix.shm_unlink(name)), 'ENOENT');
  },
};
