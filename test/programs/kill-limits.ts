// Cases of the kill list about what a process may have: memory areas, descriptors, threads, and the
// add-on itself twice. Prints what it saw as a line of JSON.
//
//   node --expose-gc --no-warnings kill-limits CASE DIRECTORY

import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { anonymous, type Mapping, map, stats } from 'memmap';
import { MAP, mmap, PAGE_SIZE, PROT } from 'memmap/posix';
import { copyPackage } from '../support/package-copy.js';
import { maps } from '../support/proc.js';
import { until } from '../support/until.js';

const [name = '', directory = ''] = process.argv.slice(2);
const path = join(directory, 'file.dat');
const LENGTH = 64 * PAGE_SIZE;
const limit = Number(readFileSync('/proc/sys/vm/max_map_count', 'utf8'));

/** Makes them until one is refused. */
function hold<T>(make: () => T): { held: T[]; error: Record<string, unknown> } {
  const held: T[] = [];
  try {
    for (;;) held.push(make());
  } catch (error) {
    const { code, errno, syscall } = error as NodeJS.ErrnoException;
    return { held, error: { code, errno, syscall } };
  }
}
/** Runs on what else the process needs areas for: threads, large arrays, compiled code. */
async function goOn(): Promise<unknown> {
  const arrays = Array.from({ length: 20 }, () => new Uint8Array(8 << 20).fill(1));
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads');
     parentPort.postMessage(new Function('a', 'return a + 1')(41));`,
    { eval: true },
  );
  const answer = await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await worker.terminate();
  return arrays.length === 20 && answer;
}

/** Makes a file of sevens; returns a descriptor of it. */
function file(at = path): number {
  writeFileSync(at, new Uint8Array(LENGTH).fill(7));
  return openSync(at, 'r+');
}

/** Cuts the file under a mapping and touches every page of it. */
function cut(mapping: Mapping, fd: number): unknown {
  const { bytes } = mapping;
  ftruncateSync(fd, PAGE_SIZE);
  let sum = 0;
  for (let page = LENGTH - PAGE_SIZE; page >= 0; page -= PAGE_SIZE) sum += bytes[page] ?? 0;
  return { sum, kinds: mapping.faults.map(({ kind }) => kind) };
}

async function areas(make: () => { unmap(): void }): Promise<unknown> {
  const fd = file();
  const before = map(path, { access: 'write' });
  const { held, error } = hold(make);
  const there = maps().length;
  const also = hold(() => mmap(PAGE_SIZE, PROT.READ, MAP.SHARED | MAP.ANONYMOUS));
  const alive = await goOn();
  const faulted = cut(before, fd);
  for (const mapping of held) mapping.unmap();
  for (let i = 0; i < 1000; i++) anonymous(PAGE_SIZE).unmap();
  return {
    error,
    also: also.error,
    many: held.length > limit / 2,
    below: there < limit,
    alive,
    faulted,
    again: anonymous(PAGE_SIZE).length,
  };
}

/** As much of WebAssembly as is used here; @types/node leaves it to the DOM's types. */
declare const WebAssembly: {
  instantiate(bytes: Uint8Array): Promise<{ instance: { exports: Record<string, unknown> } }>;
  RuntimeError: new () => Error;
};

// i32.load of any address, of a memory of one page.
const wasm = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 5, 1, 1, 102,
  0, 0, 10, 9, 1, 7, 0, 32, 0, 40, 2, 0, 11,
]); // biome-ignore format: bytes
/** What a WebAssembly program sees that reaches past its memory: V8 makes it of a SIGSEGV. */
async function trap(): Promise<unknown> {
  const { instance } = await WebAssembly.instantiate(wasm);
  const load = instance.exports['f'] as (at: number) => number;
  try {
    return load(1 << 20);
  } catch (error) {
    return error instanceof WebAssembly.RuntimeError ? 'trapped' : String(error);
  }
}

async function twoPaths(): Promise<unknown> {
  const copy = join(directory, 'copy');
  copyPackage(copy);
  const url = pathToFileURL(join(copy, 'lib/index.js')).href;
  const other = (await import(url)) as typeof import('memmap');
  const seen: unknown[] = [
    other.map !== map,
    maps().filter(({ path, perms }) => perms[2] === 'x' && path.endsWith('memmap.node')).length,
  ];
  const round = () => {
    for (const [i, make] of [map, other.map].entries()) {
      const at = `${path}${i}`;
      const fd = file(at);
      const mapping = make(at, { access: 'write' });
      seen.push(cut(mapping, fd));
      closeSync(fd);
      mapping.unmap();
    }
  };
  round();
  seen.push(await trap());
  // Each copy takes the signals back when Node has taken one of them.
  const listener = () => {};
  for (const listeners of [1, 2]) {
    for (let i = 0; i < listeners; i++) process.on('SIGBUS', listener);
    round();
    seen.push(await trap());
    for (let i = 0; i < listeners; i++) process.off('SIGBUS', listener);
    round();
    seen.push(await trap());
  }
  return [...new Set(seen.map((one) => JSON.stringify(one)))];
}

async function manyWorkers(): Promise<unknown> {
  const code = `
    const { parentPort, workerData: path } = require('node:worker_threads');
    const { writeFileSync, truncateSync } = require('node:fs');
    import('memmap').then(async ({ map }) => {
      writeFileSync(path, new Uint8Array(65536).fill(7));
      const mapping = map(path, { access: 'write' });
      truncateSync(path, 4096);
      const byte = mapping.bytes[60000];
      const error = await mapping.flush().catch(({ code }) => code);
      parentPort.postMessage([byte, mapping.faults.map(({ kind }) => kind), error]);
    });`;
  const seen = new Set<string>();
  for (let round = 0; round < 4; round++) {
    const workers = Array.from(
      { length: 6 },
      (_, i) => new Worker(code, { eval: true, workerData: `${path}${i}` }),
    );
    await Promise.all(
      workers.map(
        (worker) =>
          new Promise<void>((resolve, reject) => {
            worker.once('error', reject);
            worker.once('message', (message) => seen.add(JSON.stringify(message)));
            worker.once('exit', () => resolve());
          }),
      ),
    );
  }
  await until('the regions are released', async () => {
    (globalThis as { gc?: () => void }).gc?.();
    await turn();
    return stats().regions === 0 && stats().descriptors === 0;
  });
  return { seen: [...seen], faults: stats().faults >= 24 };
}

const cases: Record<string, () => unknown> = {
  'anonymous mappings until vm.max_map_count': () => areas(() => anonymous(PAGE_SIZE)),
  'private mappings until vm.max_map_count': () =>
    areas(() => anonymous(PAGE_SIZE, { shared: false })),
  'mappings with buffers until vm.max_map_count': () =>
    areas(() => {
      const mapping = anonymous(PAGE_SIZE);
      mapping.bytes[0] = 1;
      return mapping;
    }),
  async 'mappings of files until EMFILE'() {
    const fd = file();
    const before = map(path, { access: 'write' });
    const { held, error } = hold(() => map(path));
    const readable = held.every((mapping) => mapping.view(Uint8Array, 5, 1)[0] === 7);
    const faulted = cut(before, fd);
    for (const mapping of held) mapping.unmap();
    return { error, many: held.length > 100, readable, faulted, again: map(path).length };
  },
  'several workers at once': manyWorkers,
  'under two paths': twoPaths,
};

console.log(JSON.stringify(await cases[name]?.()));
