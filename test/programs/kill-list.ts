// What has crashed other packages, done to this one. Each case is a process of its own: it does the deed,
// goes on, and prints what it was told, as a line of JSON.
//
//   node --expose-gc --no-warnings kill-list CASE DIRECTORY
//
// The directory is empty; for the cases of a full disk it is a small file system.

import { execFileSync } from 'node:child_process';
import fs, { openSync, readFileSync, readSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { anonymous, Mapping, map, stats } from 'memmap';
import { MAP, MS, madvise, mmap, msync, munmap, PAGE_SIZE, PROT } from 'memmap/posix';
import { until } from '../support/until.js';

const [name = '', directory = ''] = process.argv.slice(2);
const path = join(directory, 'file.dat');
const LENGTH = 8 * PAGE_SIZE;
const GiB = 2 ** 30;
const collect = (globalThis as { gc?: () => void }).gc ?? (() => {});

type Code = string | undefined;
const codeOf = (error: unknown): Code => (error as { code?: string }).code ?? String(error);
/** The name and code of what a call throws. */
function thrown(call: () => unknown): Code {
  try {
    call();
  } catch (error) {
    return codeOf(error);
  }
  return 'nothing';
}
const rejected = (promise: Promise<unknown>): Promise<Code> =>
  promise.then(() => 'nothing', codeOf);
const kinds = (mapping: Mapping) => [...new Set(mapping.faults.map(({ kind }) => kind))];

function makeFile(length = LENGTH): void {
  writeFileSync(path, new Uint8Array(length).fill(7));
}

async function diskFull(): Promise<unknown> {
  const length = 16 << 20; // four times what there is
  using mapping = map(path, { access: 'write', create: true, sparse: true, length });
  const { bytes } = mapping;
  for (let at = 0; at < length; at += PAGE_SIZE) bytes[at] = 1;
  let kept = 0;
  for (let at = 0; at < length; at += PAGE_SIZE) kept += bytes[at] ?? 0;
  return {
    kinds: kinds(mapping),
    kept: kept / (length / PAGE_SIZE),
    flush: await rejected(mapping.flush()),
    flushSync: thrown(() => mapping.flushSync()),
    alloc: thrown(() =>
      map(join(directory, 'other'), { access: 'write', create: true, length: LENGTH }),
    ),
  };
}

/** Until a thread of this process waits in a system call whose first two arguments are these. */
function blockedIn(fd: number): Promise<unknown> {
  return until('a thread of the pool waits', () =>
    fs.readdirSync('/proc/self/task').some((thread) => {
      try {
        // syscall number and six arguments; "running" for a thread that is in none.
        const call = readFileSync(`/proc/self/task/${thread}/syscall`, 'utf8').split(' ');
        return Number(call[1]) === fd && call.length === 9;
      } catch {
        return false; // it has ended
      }
    }),
  );
}

async function ioInFlight(): Promise<unknown> {
  const fifo = join(directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const pipe = openSync(fifo, 'r+');
  const size = 1 << 20;
  const seen: Record<string, unknown> = {};

  // A read that waits for bytes when the memory goes.
  const target = anonymous(size);
  const reading = new Promise<Code>((resolve) => {
    fs.read(pipe, target.bytes, 0, size, null, (error, count) =>
      resolve(error ? codeOf(error) : `${count} bytes`),
    );
  });
  await blockedIn(pipe);
  target.unmap();
  const next = anonymous(size); // would have had its addresses
  fs.writeSync(pipe, new Uint8Array(100).fill(9));
  seen['read'] = await reading;
  seen['untouched'] = next.bytes.every((byte) => byte === 0);

  // A write that has filled the pipe and waits for room.
  makeFile(size);
  const drained = new Uint8Array(2 * size);
  const rest = openSync(fifo, 'r+'); // what EFAULT left behind
  fs.closeSync(pipe);
  const source = map(path);
  let total: number | Code;
  fs.write(rest, source.bytes, 0, size, null, (error, count) => {
    total = error ? codeOf(error) : count;
  });
  await blockedIn(rest);
  source.unmap();
  const reader = openSync(fifo, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  let got = 0;
  const drain = () => {
    try {
      for (;;) got += readSync(reader, drained, got, drained.length - got, null);
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN') throw error;
    }
  };
  await until('the write ends', () => {
    drain();
    return total !== undefined;
  });
  drain();
  const arrived = drained.subarray(0, got);
  seen['short'] = typeof total === 'number' && total > 0 && total < size;
  seen['honest'] = arrived.filter((byte) => byte === 7).length === total;
  seen['zeros'] = arrived.includes(0);
  return seen;
}

async function workersTerminated(): Promise<unknown> {
  makeFile();
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    import('memmap').then(({ map, anonymous }) => {
      const mappings = [];
      for (let i = 0; i < 20; i++) {
        const mapping = map(workerData, { access: 'write' });
        mapping.bytes.fill(7);
        mapping.view(DataView, 5, 100);
        mappings.push(mapping, anonymous(1 << 20));
        mapping.flush();
      }
      const shared = mappings[1].sharedBuffer;
      new Uint8Array(shared).fill(3);
      parentPort.postMessage(shared);
      const { bytes } = mappings[0];
      for (let i = 0; ; i++) { bytes[i % bytes.length] = 7; if (i % 100 === 0) mappings[0].flush(); }
    });`;
  // In a function of its own, so that no frame that waits refers to its buffers.
  const round = async (): Promise<unknown> => {
    const worker = new Worker(code, { eval: true, workerData: path });
    const shared = await new Promise<SharedArrayBuffer>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    await worker.terminate();
    const bytes = new Uint8Array(shared); // outlives the thread that made it
    const mapping = Mapping.from(shared);
    mapping.bytes[1] = 4;
    return [bytes.length, bytes[0], bytes[1], mapping.closed];
  };
  const seen: unknown[] = [];
  for (let i = 0; i < 12; i++) seen.push(await round());
  const intact = readFileSync(path).every((byte) => byte === 7);
  await until('the regions are released', async () => {
    collect();
    await turn();
    return stats().regions === 0 && stats().descriptors === 0;
  });
  return {
    seen: [...new Set(seen.map((one) => JSON.stringify(one)))],
    rounds: seen.length,
    intact,
  };
}

function outOfPlace(): unknown {
  makeFile();
  using mapping = map(path, { access: 'write' });
  const buffer = mmap(LENGTH, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.ANONYMOUS);
  const foreign = new ArrayBuffer(LENGTH);
  const any = (value: unknown) => value as never;
  const proto = Mapping.prototype;
  const borrowed = Object.getOwnPropertyNames(proto)
    .filter((key) => key !== 'constructor')
    .flatMap((key) => {
      const { get, value } = Object.getOwnPropertyDescriptor(proto, key) ?? {};
      const method = (get ?? value) as (...args: unknown[]) => unknown;
      return [{}, null, undefined, Object.create(proto), buffer].map((self): [string, unknown] => [
        key,
        (() => {
          try {
            const result = method.call(self, ...(key === 'advise' ? ['normal'] : []));
            if (!(result instanceof Promise)) return 'nothing';
            result.catch(() => {});
            return TypeError.prototype; // flush and prefetch never throw: their promise is looked at below
          } catch (error) {
            return error instanceof TypeError ? TypeError.prototype : error;
          }
        })(),
      ]);
    })
    .filter(([, result]) => result !== TypeError.prototype);
  const seen = {
    'sync({})': thrown(() => msync(any({}), MS.SYNC)),
    'sync(SharedArrayBuffer)': thrown(() => msync(new SharedArrayBuffer(8), MS.SYNC)),
    'sync(foreign)': thrown(() => msync(foreign, MS.SYNC)),
    'sync(foreign view)': thrown(() => msync(new Uint8Array(foreign), MS.SYNC)),
    'munmap(foreign)': thrown(() => munmap(foreign)),
    'munmap(view)': thrown(() => munmap(any(new Uint8Array(buffer)))),
    'from(foreign)': thrown(() => Mapping.from(new SharedArrayBuffer(8))),
    'from({})': thrown(() => Mapping.from(any({}))),
    'new Mapping()': thrown(() => Reflect.construct(Mapping, [])),
    'advise past the end': thrown(() => mapping.advise('dontneed', LENGTH + 1)),
    'advise too long': thrown(() => mapping.advise('dontneed', PAGE_SIZE, LENGTH)),
    'advise before the beginning': thrown(() => mapping.advise('dontneed', -PAGE_SIZE)),
    'advise with a huge length': thrown(() => mapping.advise('dontneed', 0, 2 ** 53)),
    'unknown advice': thrown(() => madvise(buffer, 12_345)),
    'a view out of bounds': thrown(() => mapping.view(Uint8Array, LENGTH - 1, 2)),
    borrowed,
  };
  munmap(buffer);
  return seen;
}

async function offsets(): Promise<unknown> {
  const length = 5e9;
  const file = openSync(path, 'w+');
  fs.ftruncateSync(file, 6 * GiB);
  const seen: string[] = [];
  using mapping = map(path, { access: 'write', length });
  for (const [i, at] of [2 * GiB, 3 * GiB, 4 * GiB, length - 1].entries()) {
    mapping.view(Uint8Array, at, 1)[0] = 10 + i;
    const one = new Uint8Array(1);
    readSync(file, one, 0, 1, at);
    seen.push(`${at}: ${one[0]}`);
  }
  for (const at of [2 * GiB, 3 * GiB, 4 * GiB, 5 * GiB]) {
    fs.writeSync(file, Buffer.from([99]), 0, 1, at + 3);
    using there = map(path, { offset: at + 3, length: 10 });
    seen.push(`${at}: ${there.bytes[0]}, ${there.bytes[1]}`);
  }
  // None of them went to its remainder by 2^32, or by 2^31.
  for (const at of [0, 3, GiB, 2 ** 31 - 1, length % 2 ** 32, length % 2 ** 31]) {
    const one = new Uint8Array(1);
    readSync(file, one, 0, 1, at);
    if (one[0] !== 0) seen.push(`stray byte at ${at}`);
  }
  return { length: mapping.length, seen, past: thrown(() => mapping.view(Uint8Array, length, 1)) };
}

async function twoBuffers(): Promise<unknown> {
  makeFile();
  const mapping = map(path, { access: 'write' });
  const whole = mapping.bytes;
  for (let round = 0; round < 50; round++) {
    // Each is an ArrayBuffer over the same addresses, and is collected before the others.
    let views = [0, 0, 1].map((at) => mapping.view(Uint8Array, at, 100));
    for (const view of views) view[0] = round;
    views = [];
    if (round % 10 === 0) collect();
    await turn();
  }
  collect();
  const view = mapping.view(Uint8Array, 0, LENGTH);
  view[5] = 55;
  const same = whole[5] === 55 && whole.buffer !== view.buffer;
  mapping.unmap();
  return {
    same,
    lengths: [whole.length, view.length],
    file: readFileSync(path)[5],
    buffer: thrown(() => mapping.buffer),
  };
}

const cases: Record<string, () => unknown> = {
  async truncated() {
    makeFile();
    using mapping = map(path, { access: 'write' });
    const before = mapping.bytes[LENGTH - 1];
    truncateSync(path, PAGE_SIZE);
    const after = [mapping.bytes[0], mapping.bytes[LENGTH - 1]];
    mapping.bytes[LENGTH - 1] = 1;
    const errors = [await rejected(mapping.flush()), thrown(() => mapping.flushSync())];
    return { before, after, kinds: kinds(mapping), errors };
  },
  async 'read-only'() {
    makeFile();
    using mapping = map(path);
    mapping.bytes[3] = 1;
    const flush = await rejected(mapping.flush());
    const resize = thrown(() => mapping.resize(1));
    const file = readFileSync(path).every((byte) => byte === 7);
    return { byte: mapping.bytes[3], kinds: kinds(mapping), flush, resize, file };
  },
  'disk-full': diskFull,
  'shm-full'() {
    // As a program does that uses memory of /dev/shm by hand: made, cut to size, mapped.
    const fd = openSync(path, 'w+');
    const length = 16 << 20;
    fs.ftruncateSync(fd, length);
    const buffer = mmap(length, PROT.READ | PROT.WRITE, MAP.SHARED, fd);
    const bytes = new Uint8Array(buffer);
    for (let at = 0; at < length; at += PAGE_SIZE) bytes[at] = 1;
    const full = stats().faults > 0;
    const sync = thrown(() => msync(buffer, MS.SYNC));
    munmap(buffer);
    return { full, sync };
  },
  'after-unmap'() {
    makeFile();
    const mapping = map(path, { access: 'write' });
    const { bytes } = mapping;
    const view = mapping.view(Uint32Array, 0, 2);
    const shared = new Uint8Array(mapping.sharedBuffer);
    mapping.unmap();
    bytes[0] = 1;
    view[0] = 1;
    shared[0] = 1; // not detached: survived by the guard
    return {
      lengths: [bytes.length, view.length, shared.length],
      read: [bytes[0], view[0], shared[PAGE_SIZE]],
      errors: [thrown(() => mapping.buffer), thrown(() => mapping.view(Uint8Array, 0, 1))],
      kinds: kinds(mapping),
      file: readFileSync(path)[0],
    };
  },
  'io-in-flight': ioInFlight,
  'unmap-twice'() {
    makeFile();
    const mapping = map(path);
    const { buffer } = mapping;
    mapping.unmap();
    mapping.unmap();
    mapping[Symbol.dispose]();
    const other = mmap(LENGTH, PROT.READ, MAP.PRIVATE | MAP.ANONYMOUS);
    munmap(other);
    return [buffer, other].map((gone) => thrown(() => munmap(gone)));
  },
  'worker-terminated': workersTerminated,
  arguments: outOfPlace,
  offsets,
  'two-buffers': twoBuffers,
};

console.log(JSON.stringify(await cases[name]?.()));
