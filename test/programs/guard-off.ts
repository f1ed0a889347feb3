// setGuard() in a process of its own, where the first mapping is still to come.
//
//   guard-off WHAT

import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { map, setGuard, stats } from 'memmap';

const what = (workerData as string | null) ?? process.argv[2] ?? '';

function fresh(name = 'mapped') {
  rmSync(name, { force: true });
  writeFileSync(name, 'content');
  return map(name);
}
const attempt = (on: boolean) => {
  try {
    setGuard(on);
    return 'set';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

const actions: Record<string, () => unknown> = {
  /** Off: the process dies as a C program does. */
  truncated() {
    setGuard(false);
    const bytes = fresh().view(Uint8Array);
    truncateSync('mapped', 0);
    return bytes[0];
  },
  written() {
    setGuard(false);
    fresh().view(Uint8Array)[0] = 1;
    return 'lives';
  },
  /** A listener does not turn it on. */
  listened() {
    setGuard(false);
    const bytes = fresh().view(Uint8Array);
    process.on('SIGBUS', () => {});
    process.removeAllListeners('SIGBUS');
    truncateSync('mapped', 0);
    return bytes[0];
  },
  /** Retired pages are writable ones, since nobody would catch the access. */
  async retired() {
    setGuard(false);
    const mapping = fresh();
    const stream = new ReadableStream({
      type: 'bytes',
      pull: ({ byobRequest }) => byobRequest?.respond(1),
    });
    const { value } = await stream.getReader({ mode: 'byob' }).read(new Uint8Array(mapping.buffer));
    mapping.unmap();
    const moved = new Uint8Array(value?.buffer ?? new ArrayBuffer(0));
    const before = moved[0];
    moved[0] = 7;
    return [before, moved[0], moved.length, stats().faults];
  },
  /** Off and on again before the first mapping: on. */
  again() {
    setGuard(false);
    setGuard(true);
    setGuard(true);
    const bytes = fresh().view(Uint8Array);
    truncateSync('mapped', 0);
    return bytes[0];
  },
  /** After a mapping, though it has been unmapped, only what is so already may be asked for. */
  late() {
    const first = attempt(true);
    fresh().unmap();
    return [first, attempt(false), attempt(true)];
  },
  lateOff() {
    const first = attempt(false);
    fresh().unmap();
    return [first, attempt(true), attempt(false)];
  },
  /** A mapping that failed was none. */
  failed() {
    try {
      map('missing');
    } catch {
      // as it should
    }
    return [attempt(false), attempt(true)];
  },
  /** It is the process's, not the thread's. */
  async worker() {
    fresh().unmap();
    const worker = new Worker(new URL(import.meta.url), { workerData: 'inWorker' });
    return new Promise((resolve) => worker.once('message', resolve));
  },
  inWorker: () => [attempt(false), attempt(true)],
};

const result = await actions[what]?.();
if (isMainThread) {
  console.log(JSON.stringify(result));
} else {
  const { parentPort } = await import('node:worker_threads');
  parentPort?.postMessage(result);
}
