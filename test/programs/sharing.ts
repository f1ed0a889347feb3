// A process that was handed memory, or was not. What it found it says in the memory, or prints as JSON.
//
//   sharing mark NAME CELL TIMES     a plain store of the first four cells, TIMES atomic additions to cell 0
//   sharing print NAME COUNT         the first COUNT cells
//   sharing all                      what inherited() has, and the open descriptors that are memory
//   sharing again NAME CELL          inherited() after unmap(), and in a worker
//   sharing onward HOW CELL          a grandchild: see below
//
// As a worker, with `workerData`: a SharedArrayBuffer over the memory, or nothing.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { inherited, SharedMemory, share, stats } from 'memmap';
import { descriptors } from '../support/proc.js';

const SELF = fileURLToPath(import.meta.url);
const [what = '', name = '', first = '0', second = '0'] = process.argv.slice(2);
const cell = Number(first);
const cellsOf = (memory: SharedMemory) => memory.view(Int32Array);

/** Cell 1 is the parent's: who writes what it has read there has seen it. */
function mark(cells: Int32Array, at: number, times: number): void {
  const left = process.env['MEMMAP_SHARED'] === undefined ? 0 : 1;
  const ownVariable = Number(process.env['SHARING_TEST'] ?? 0);
  cells.set([cells[1]! + at, ownVariable, left, process.argv.length], at);
  for (let i = 0; i < times; i++) Atomics.add(cells, 0, 1);
}

function codeOf(call: () => unknown): string {
  try {
    call();
    return 'found';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

const inWorker = async (...argv: string[]): Promise<void> => {
  const [code] = await once(new Worker(SELF, { argv }), 'exit');
  if (code !== 0) throw new Error(`the worker ended with ${code}`);
};

async function onward(): Promise<void> {
  const memory = inherited('memory');
  const other = SharedMemory.create(memory.length);
  const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as (
    | 'ignore'
    | 'inherit'
    | 'ipc'
    | number
  )[];
  const args = ['print', 'memory', '4'];
  const options = () => {
    switch (name) {
      case 'nothing':
        return { stdio };
      case 'a file':
        return { stdio: [...stdio, openSync('/dev/zero', 'r')] };
      // As one that has saved its environment before the package was loaded.
      case 'old variable':
        return { stdio, env: { ...process.env, MEMMAP_SHARED: process.env['SAVED'] } };
      case 'old variable and other memory':
        return {
          stdio: [...stdio, other.fd],
          env: { ...process.env, MEMMAP_SHARED: process.env['SAVED'] },
        };
      case 'another name':
        return share({ other: memory }, { stdio });
      default:
        return share(inherited(), { stdio });
    }
  };
  const [code, signal] = await once(fork(SELF, args, options()), 'exit');
  if (code !== 0) throw new Error(`the grandchild ended with code ${code}, signal ${signal}`);
}

if (!isMainThread && workerData instanceof SharedArrayBuffer) {
  mark(new Int32Array(workerData), Number(name), cell);
} else if (what === 'mark') {
  mark(cellsOf(inherited(name)), cell, Number(second));
} else if (what === 'print') {
  const outcome = codeOf(() => inherited(name));
  console.log(
    outcome === 'found' ? JSON.stringify([...cellsOf(inherited(name))].slice(0, cell)) : outcome,
  );
} else if (what === 'all') {
  const all = Object.entries(inherited()).map(([key, memory]) => [key, cellsOf(memory)[1]!]);
  console.log(
    JSON.stringify({
      all: Object.fromEntries(all),
      ...(stats().regions === all.length ? {} : { stats: stats() }),
      // Each segment once as it came, and once as its mapping keeps it.
      descriptors: [...descriptors().values()].filter((path) => path.startsWith('/memfd:')).length,
    }),
  );
} else if (what === 'again') {
  const memory = inherited(name);
  mark(cellsOf(memory), cell, 1);
  memory.unmap();
  await inWorker('mark', name, String(cell + 4), '1');
  mark(cellsOf(inherited(name)), cell + 8, 1);
  await inWorker('mark', name, String(cell + 12), '1');
} else if (what === 'onward') {
  await onward();
}
