// What a mapping says and does after faults, and where its window is empty. Prints what came of a scenario.
//
//   after-faults SCENARIO PATH        PATH is a file of four pages, each filled with its number, from 1
import { pbkdf2 } from 'node:crypto';
import { appendFileSync, closeSync, openSync, truncateSync, writeFileSync } from 'node:fs';
import { map, stats } from 'memmap';
import { MAP, MS, mmap, mprotect, mremap, msync, PAGE_SIZE, PROT } from 'memmap/posix';
import { Mutex } from 'memmap/sync';

const [name = '', path = ''] = process.argv.slice(2);
const P = PAGE_SIZE;

const came = (call: () => unknown): unknown => {
  try {
    call();
    return 'returned';
  } catch (error) {
    const { code, faults } = error as { code: string; faults?: unknown };
    return faults === undefined ? code : { code, faults };
  }
};
const cameAsync = (promise: Promise<unknown>) =>
  promise.then(
    () => 'resolved',
    ({ code }: { code: string }) => code,
  );

const scenarios: Record<string, () => unknown> = {
  /** The first page is lost. No bytes of it, or bytes of others, are not. */
  async flushElsewhere() {
    const mapping = map(path, { access: 'write', offset: 100 });
    mapping.protect('read', 0, 1);
    mapping.bytes[0] = 9;
    return {
      ranges: await cameAsync(mapping.flush([[P, P]])),
      none: await cameAsync(mapping.flush(200, 0)),
      noRange: await cameAsync(mapping.flush([])),
      sync: came(() => mapping.flushSync(200, 0)),
      lost: came(() => mapping.flushSync(200, 1)) !== 'returned',
    };
  },
  /** One list, by offset, though the mapping has moved to other addresses. */
  mergedFaults() {
    const mapping = map(path, { access: 'write' });
    mapping.protect('read', 2 * P);
    mapping.bytes[2 * P] = 9;
    mapping.resize(64 * P);
    mapping.protect('read');
    mapping.bytes[0] = 9;
    mapping.bytes[2 * P] = 9;
    mapping.bytes[3 * P] = 9;
    return mapping.faults;
  },
  /** All pages are the guard's: the kernel would let them be written to. */
  protectReadOnly() {
    const mapping = map(path);
    mapping.bytes.fill(9);
    const protect = came(() => mapping.protect('write'));
    return {
      protect,
      slide: mapping.slide(0),
      refresh: mapping.refresh(),
      first: mapping.bytes[0],
    };
  },
  /** A window that shows nothing is moved, and then grows. */
  slideEmpty() {
    truncateSync(path, 0);
    const mapping = map(path, { reserve: 2 * P });
    appendFileSync(path, Buffer.concat([1, 2].map((n) => Buffer.alloc(P, n))));
    mapping.slide(P);
    return { length: mapping.refresh(), first: mapping.bytes[0] };
  },
  /** A buffer of no bytes, after one that was detached. */
  emptyBytes() {
    const mapping = map(path, { access: 'write' });
    mapping.buffer.slice(0);
    mapping.resize(0);
    const { buffer } = mapping;
    return [buffer.byteLength, mapping.bytes.length, mapping.buffer === buffer];
  },
  /** A file whose pages were lost is not mapped in their place, as if nothing had happened. */
  mremapLost() {
    const fd = openSync(path, 'r+');
    const buffer = mmap(4 * P, PROT.READ | PROT.WRITE, MAP.SHARED, fd);
    truncateSync(path, P);
    const bytes = new Uint8Array(buffer);
    bytes[3 * P] = 9;
    truncateSync(path, 4 * P);
    const moved = came(() => mremap(buffer, 8 * P));
    const sync = came(() => msync(buffer, MS.SYNC));
    closeSync(fd);
    return { moved, sync, kept: bytes[3 * P] };
  },
  /** Private memory in several areas: the kernel's EFAULT, and each part is protected as it was. */
  mremapParts() {
    const buffer = mmap(4 * P, PROT.READ | PROT.WRITE, MAP.PRIVATE | MAP.ANONYMOUS);
    const bytes = new Uint8Array(buffer).fill(7);
    mprotect(bytes.subarray(P, P + 1), PROT.READ);
    const moved = came(() => mremap(buffer, 8 * P));
    const { faults } = stats();
    bytes[P] = 8;
    return { moved, faults: stats().faults - faults, bytes: [bytes[0], bytes[P], bytes[3 * P]] };
  },
  /** A lock in a page that was lost, or may only be read, is given up with the mapping. */
  lockGivenUp() {
    writeFileSync(path, Buffer.alloc(P));
    const other = map(path, { access: 'write' });
    return [false, true].map((touched) => {
      const at = touched ? 0 : 8;
      const mutex = new Mutex(other, at);
      const mapping = map(path, { access: 'write' });
      new Mutex(mapping, at).lockSync();
      mapping.protect('read');
      if (touched) mapping.bytes[100] = 1;
      mapping.unmap();
      return mutex.tryLock()?.ownerDied;
    });
  },
  /** The mapping goes on at other addresses, before the pool's only thread has got to it. */
  async prefetchResized() {
    const mapping = map(path, { access: 'write' });
    pbkdf2('', '', 200_000, 64, 'sha512', () => {});
    const prefetch = cameAsync(mapping.prefetch());
    mapping.resize(64 * P);
    return prefetch;
  },
};

console.log(JSON.stringify(await scenarios[name]?.()));
