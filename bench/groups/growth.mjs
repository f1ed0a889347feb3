// How cost grows: with the size of a file, with the number of mappings, with the number of processes.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { anonymous, map } from '../../lib/index.js';
import { MIB, makeFile, makeSparse, PAGE, sumWords } from '../files.mjs';
import { figure, finish, nanoseconds, times } from '../harness.mjs';

const [role, path, way] = process.argv.slice(2);
const KIB = 1024;
const GIB = KIB * MIB;
const TIB = KIB * GIB;
let kept = 0;

const repeat = (count, work) => ({
  call: async () => {
    const took = nanoseconds(count, (n) => {
      for (let i = 0; i < n; i++) work(i);
    });
    globalThis.gc();
    await new Promise(setImmediate);
    return took / 1000;
  },
});

async function bySize() {
  for (const [size, bytes] of [
    ['1 MiB', MIB],
    ['32 MiB', 32 * MIB],
    ['1 GiB', GIB],
    ['3 GiB', 3 * GIB],
    ['32 GiB', 32 * GIB],
    ['1 TiB', TIB],
  ]) {
    const sparse = makeSparse(`sparse-${bytes}.bin`, bytes);
    // Unmapped addresses are given back when the buffer was collected, and a process has 128 TiB of them.
    const count = Math.min(times(200, 5), Math.floor((32 * TIB) / bytes));
    const far = bytes - MIB;
    const whole = map(sparse, { advice: 'random' });
    const window = map(sparse, { length: MIB });
    const cases = [
      { name: 'map, unmap', ...repeat(count, () => map(sparse).unmap()) },
      {
        name: 'map, view of the last MiB, unmap',
        ...repeat(count, () => {
          const mapping = map(sparse);
          mapping.view(Uint8Array, far);
          mapping.unmap();
        }),
      },
      { name: 'view of the last MiB', ...repeat(count, () => whole.view(Uint8Array, far)) },
      {
        name: 'slide to the last MiB and back',
        ...repeat(count, (i) => window.slide(i % 2 ? far : 0)),
      },
    ];
    // What V8 thinks of a large buffer is another matter; past 4 GiB Node 20 makes none.
    if (bytes <= 3 * GIB) {
      cases.push({
        name: 'map, buffer of all of it, unmap',
        ...repeat(times(20, 2), () => {
          const mapping = map(sparse);
          kept += mapping.buffer.byteLength;
          mapping.unmap();
        }),
      });
    }
    await figure(
      `size ${size}`,
      { title: `A sparse file of ${size}`, unit: 'us', x: bytes, rounds: 7 },
      cases,
    );
    whole.unmap();
    window.unmap();
  }
}

/** Microseconds for each of the pages that may not be read. */
function survivedFaults() {
  const PAGES = 32;
  const forbidden = anonymous(PAGES * PAGE);
  const bytes = forbidden.view(Uint8Array);
  forbidden.protect('none');
  const took = nanoseconds(PAGES, (count) => {
    for (let i = 0; i < count; i++) kept += bytes[i * PAGE];
  });
  forbidden.unmap();
  return took / 1000;
}

async function byNumber() {
  const file = makeFile('number.bin', MIB);
  for (const number of [1, 10, 100, 1000, 10_000, 30_000]) {
    const others = [];
    // Of memory: each mapping of a file keeps a descriptor, of which a process seldom may have so many.
    for (let i = 0; i < number - 1; i++) others.push(anonymous(PAGE));
    const bytes = map(file).view(Uint8Array);
    const window = map(file, { length: PAGE });
    const count = times(500, 10);
    await figure(
      `number ${number}`,
      { title: `Beside ${number} mappings`, unit: 'us', x: number, rounds: 7 },
      [
        { name: 'one more map, unmap', ...repeat(count, () => map(file).unmap()) },
        {
          name: 'map, view, unmap',
          ...repeat(count, () => {
            const mapping = map(file);
            kept += mapping.view(Uint8Array)[0];
            mapping.unmap();
          }),
        },
        { name: 'slide', ...repeat(count, (i) => window.slide((i % 2) * PAGE)) },
        { name: 'a fault that the guard survives', call: survivedFaults },
        {
          name: '1000 reads',
          ...repeat(count, () => {
            for (let at = 0; at < 1000; at++) kept += bytes[at * 1000];
          }),
        },
      ],
    );
    window.unmap();
    for (const other of others) other.unmap();
    globalThis.gc();
    await new Promise(setImmediate);
  }
}

// Each process opens the file, adds it up, and says how long it took and what memory it has for itself: its
// proportional share (proc_pid_smaps_rollup), without what it had before.
const share = () =>
  Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))[1]) / KIB;
async function reader() {
  sumWords(new Int32Array(1000));
  const before = share();
  process.send('ready');
  await once(process, 'message');
  const begin = performance.now();
  let words;
  if (way === 'mapping') {
    words = map(path).view(Int32Array);
  } else {
    const content = readFileSync(path);
    words = new Int32Array(content.buffer, content.byteOffset, content.length / 4);
  }
  kept += sumWords(words);
  const took = performance.now() - begin;
  process.send('done');
  await once(process, 'message'); // all have it in memory now
  process.send({ took, memory: share() - before, kept });
  process.disconnect();
}

async function readers(number, how, file) {
  const children = Array.from({ length: number }, () =>
    fork(fileURLToPath(import.meta.url), ['reader', file, how]),
  );
  const heard = () => Promise.all(children.map(async (child) => (await once(child, 'message'))[0]));
  const tell = (word) => {
    const answers = heard();
    for (const child of children) child.send(word);
    return answers;
  };
  await heard();
  await tell('go');
  const results = await tell('tell');
  return {
    took: Math.max(...results.map(({ took }) => took)),
    memory: results.reduce((sum, { memory }) => sum + memory, 0),
  };
}

async function byProcesses() {
  const bytes = Math.max(MIB, Math.round(times(256)) * MIB);
  const file = makeFile('processes.bin', bytes);
  for (const number of [1, 2, 3, 4]) {
    const memory = new Map();
    const run = (how) => ({
      call: async () => {
        const result = await readers(number, how, file);
        memory.set(how, result.memory);
        return result.took;
      },
    });
    const title = `${number} processes add up a file of 256 MiB`;
    await figure(`processes ${number}`, { title, unit: 'ms', x: number, rounds: 5 }, [
      { name: 'a mapping each', ...run('mapping') },
      { name: 'fs.readFileSync each', than: 'a mapping each', ...run('read') },
    ]);
    await figure(
      `memory of processes ${number}`,
      { title: `${title}: their memory`, unit: 'MiB', x: number, rounds: 1 },
      [
        { name: 'a mapping each', call: () => memory.get('mapping') },
        { name: 'fs.readFileSync each', than: 'a mapping each', call: () => memory.get('read') },
      ],
    );
  }
}

if (role === 'reader') {
  await reader();
} else {
  await bySize();
  await byNumber();
  await byProcesses();
  if (Number.isNaN(kept)) throw new Error('never: it keeps the loops');
  finish();
}
