// Touches mapped memory that cannot be touched any more, lives, and prints what became of it.
//
//   guard-faults SCENARIO PATH [worker]
//
// PATH is a file of four pages, each filled with the number of the page, from 1. With `worker` the same
// happens in a worker thread. What is printed includes the process warnings: all that have come when that
// of a mapping which faults last has come.

import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isMainThread, Worker } from 'node:worker_threads';
import { deflate } from 'node:zlib';
import { type Mapping, map, stats } from 'memmap';
import { MAP, MS, mmap, mprotect, msync, PAGE_SIZE, PROT } from 'memmap/posix';

const [name = '', path = '', where = ''] = process.argv.slice(2);
const P = PAGE_SIZE;

export interface Warned {
  name: string;
  code: string;
  /** Whether it names PATH. */
  named: boolean;
  faults: unknown;
}
const fence = join(dirname(path), 'fence');
const warnings: Warned[] = [];
let fenced = false;
let look = () => {};
process.on('warning', (warning) => {
  const { name, code, detail = '', message } = warning as Error & { code: string; detail?: string };
  if (message.includes(`'${fence}'`)) fenced = true;
  else
    warnings.push({ name, code, named: message.includes(`'${path}'`), faults: JSON.parse(detail) });
  look();
});
/** Waits for warnings; nothing but their coming ends it. */
async function warned(enough: () => boolean): Promise<void> {
  const watchdog = setTimeout(() => {
    throw new Error(`no more than ${warnings.length} warnings`);
  }, 20_000);
  await new Promise<void>((resolve) => {
    look = () => enough() && resolve();
    look();
  });
  clearTimeout(watchdog);
}

const outcome = async (promise: Promise<unknown>) =>
  promise.then(
    () => 'resolved',
    ({ code, faults }: { code: string; faults: unknown }) => ({ code, faults }),
  );
const outcomeSync = (call: () => void) => {
  try {
    call();
    return 'returned';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

/** What a mapping says of itself after its faults. */
async function said(mapping: Mapping) {
  return {
    faults: mapping.faults,
    flush: await outcome(mapping.flush()),
    flushSync: outcomeSync(() => mapping.flushSync()),
  };
}

/** A stream that takes a buffer over and fills it: the memory is then known by another object. */
async function takenOver(buffer: ArrayBuffer): Promise<Uint8Array> {
  const stream = new ReadableStream({
    type: 'bytes',
    pull: ({ byobRequest }) => byobRequest?.respond(1),
  });
  const { value } = await stream.getReader({ mode: 'byob' }).read(new Uint8Array(buffer));
  return new Uint8Array(value?.buffer ?? new ArrayBuffer(0));
}

const scenarios: Record<string, () => object | Promise<object>> = {
  /** The file is cut while it is mapped for reading. */
  async truncatedRead() {
    const mapping = map(path);
    const { bytes } = mapping;
    truncateSync(path, P);
    const first = [bytes[2 * P], bytes[0]];
    const { faults } = mapping;
    const second = [bytes[P], bytes[4 * P - 1]];
    return { first, faultsBefore: faults, second, ...(await said(mapping)) };
  },

  async truncatedWrite() {
    const mapping = map(path, { access: 'write' });
    const { bytes } = mapping;
    truncateSync(path, P + 1);
    bytes[P] = 8; // in the last page of the file: no fault
    bytes[3 * P] = 9;
    const values = [bytes[P], bytes[P + 1], bytes[3 * P], bytes[3 * P + 1], bytes[2 * P]];
    const good = [
      await outcome(mapping.flush(0, 2 * P)),
      outcomeSync(() => mapping.flushSync(0, P)),
    ];
    const { size } = statSync(path);
    // It grows again, and the pages are the file's no more.
    truncateSync(path, 4 * P);
    const again = [bytes[3 * P], readFileSync(path)[3 * P], readFileSync(path)[P]];
    const ranges = await outcome(mapping.flush([[0, 1], [3 * P + 5, 1]])); // biome-ignore format: a list
    return { values, good, size, again, ranges, ...(await said(mapping)) };
  },

  async truncatedCopy() {
    const mapping = map(path, { access: 'copy' });
    mapping.bytes[0] = 7; // its own from here on
    truncateSync(path, 0);
    const values = [mapping.bytes[3 * P], mapping.bytes[P], mapping.bytes[0]];
    return { values, faults: mapping.faults, flushSync: outcomeSync(() => mapping.flushSync()) };
  },

  /** Offsets of faults are the file's, whatever the mapping's own is. */
  async truncatedAtOffset() {
    const mapping = map(path, { access: 'write', offset: P + 3, length: 2 * P });
    truncateSync(path, 2 * P);
    const values = [mapping.bytes[2 * P - 1], mapping.bytes[0]];
    const good = await outcome(mapping.flush(0, P - 3));
    return { values, good, ...(await said(mapping)) };
  },

  /** In a loop that has been compiled, and on a thread of the pool. */
  async truncatedInLoop() {
    const { bytes } = map(path);
    const sum = () => {
      let all = 0;
      for (let i = 0; i < bytes.length; i++) all += bytes[i] ?? 0;
      return all;
    };
    let before = 0;
    for (let i = 0; i < 200; i++) before = sum();
    truncateSync(path, P);
    return { before, after: sum() };
  },
  async truncatedInPool() {
    const { bytes } = map(path);
    truncateSync(path, 0);
    const deflated = await promisify(deflate)(bytes);
    return { zeros: deflated.equals(await promisify(deflate)(new Uint8Array(4 * P))) };
  },

  /** A write to pages that may only be read gets a private copy of them. */
  async readOnly() {
    const before = readFileSync(path);
    const mapping = map(path);
    const { bytes } = mapping;
    bytes[P + 1] = 99;
    const values = [bytes[P], bytes[P + 1], bytes[P + 2], bytes[0]];
    const good = await outcome(mapping.flush(0, P));
    return { values, good, same: readFileSync(path).equals(before), ...(await said(mapping)) };
  },
  async readOnlyEverywhere() {
    const before = readFileSync(path);
    const mapping = map(path);
    mapping.bytes.fill(9);
    const all = mapping.bytes.every((byte) => byte === 9);
    return { all, same: readFileSync(path).equals(before), ...(await said(mapping)) };
  },

  /** Memory of the posix calls: no access at all, and none to write. */
  async posix() {
    const none = new Uint8Array(mmap(2 * P, PROT.NONE, MAP.SHARED | MAP.ANONYMOUS));
    const anonymous = new Uint8Array(mmap(2 * P, PROT.READ, MAP.PRIVATE | MAP.ANONYMOUS));
    const values = [none[0], none[P]];
    anonymous[0] = 1;
    none[1] = 2;
    return { values: [...values, anonymous[0], none[1]] };
  },
  /** Where the processor has protection keys (pku), these cannot be read; elsewhere not written. */
  async executeOnly() {
    const bytes = new Uint8Array(mmap(2 * P, PROT.READ | PROT.WRITE, MAP.PRIVATE | MAP.ANONYMOUS));
    bytes.fill(7);
    mprotect(bytes, PROT.EXEC);
    const before = bytes[1];
    bytes[1] = 8;
    return { values: [before, bytes[1], bytes[2]] };
  },
  /** msync() returns 0 for pages that are the file's no more: it must not be believed. */
  async posixSync() {
    const { open } = await import('node:fs/promises');
    await using handle = await open(path, 'r+');
    const buffer = mmap(4 * P, PROT.READ | PROT.WRITE, MAP.SHARED, handle.fd);
    const bytes = new Uint8Array(buffer);
    const before = outcomeSync(() => msync(buffer, MS.SYNC));
    truncateSync(path, P);
    bytes[2 * P] = 1;
    const sync = (part: Uint8Array | ArrayBuffer, flags: MS) =>
      outcomeSync(() => msync(part, flags));
    let faults: unknown;
    try {
      msync(buffer, MS.SYNC);
    } catch (error) {
      ({ faults } = error as { faults: unknown });
    }
    return {
      before,
      all: [sync(buffer, MS.SYNC), sync(buffer, MS.ASYNC), sync(buffer, MS.SYNC | MS.ASYNC)],
      parts: [sync(bytes.subarray(0, P), MS.SYNC), sync(bytes.subarray(2 * P), MS.SYNC)],
      faults,
    };
  },

  /** The disk is full when a hole is written to. PATH lies on a file system with room for eight pages. */
  async noSpace() {
    truncateSync(path, 64 * P);
    const mapping = map(path, { access: 'write' });
    const { bytes } = mapping;
    for (let page = 0; page < 64; page++) bytes[page * P] = page;
    const lost = Array.from({ length: 64 }, (_, page) => page).filter(
      (page) => bytes[page * P] !== page,
    );
    const kinds = new Set(mapping.faults.map((fault) => fault.kind));
    return { lost, kinds: [...kinds], flush: await outcome(mapping.flush()) };
  },

  /** A buffer that was handed on is not detached by unmap(): its memory is retired, and zero. */
  async retired() {
    const mapping = map(path, { access: 'write' });
    const moved = await takenOver(mapping.buffer);
    const before = [moved.length, moved[P]];
    mapping.unmap();
    const after = [moved[P], moved[0]];
    moved.fill(5);
    const all = moved.every((byte) => byte === 5);
    return { before, after, all, same: readFileSync(path)[P], faults: mapping.faults };
  },

  /** The mapping is collected before anybody has looked at its faults. */
  async forgotten() {
    (() => {
      const { bytes } = map(path);
      truncateSync(path, P);
      void bytes[2 * P];
    })();
    const { regions } = stats();
    for (let i = 0; i < 10 && stats().regions === regions; i++) {
      (globalThis as { gc?: () => void }).gc?.();
      await turn();
    }
    return { collected: stats().regions < regions };
  },
  /** Faults are on record after unmap(), though nothing of the memory is left. */
  async recorded() {
    const mapping = map(path);
    truncateSync(path, P);
    (() => void mapping.view(Uint8Array, 2 * P, 1)[0])();
    const before = mapping.faults;
    for (let i = 0; i < 5; i++) {
      (globalThis as { gc?: () => void }).gc?.();
      await turn();
    }
    mapping.unmap();
    return { before, after: mapping.faults, regions: stats().regions };
  },

  /** One warning for each mapping, however many faults. */
  async warnings() {
    const first = map(path);
    const second = map(path);
    truncateSync(path, 0);
    for (let page = 3; page >= 0; page--) void first.bytes[page * P];
    second.bytes[3 * P] = 1;
    await warned(() => warnings.length === 2);
    for (let page = 3; page >= 0; page--) second.bytes[page * P] = page;
    first.bytes[0] = 1;
    return {};
  },
};

if (where === 'worker' && isMainThread) {
  new Worker(new URL(import.meta.url), { argv: [name, path] });
} else {
  const result = await scenarios[name]?.();
  const { faults } = stats();
  // The last fault is of a mapping of its own, whose warning comes with the others' or after them.
  writeFileSync(fence, '');
  truncateSync(fence, 1); // a hole: takes nothing of a full disk
  const last = map(fence);
  truncateSync(fence, 0);
  void last.bytes[0];
  await warned(() => fenced);
  await turn(); // those that came with it
  console.log(JSON.stringify({ ...result, survived: faults, warnings }));
}
