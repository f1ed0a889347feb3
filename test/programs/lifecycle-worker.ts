// A worker that is in the midst of a call of the package, or of all of them, until it ends; see lifecycle.ts
// and lifecycle-crowd.ts. workerData: Task.
import { setTimeout as pause } from 'node:timers/promises';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { stats } from 'memmap';
import { gc } from '../support/gc.js';
import { BLOCKING, type Handed, Keeper, PENDING, taken } from '../support/pending.js';
import { descriptors, steadyAreas, threads } from '../support/proc.js';

export interface Task {
  /** A name of PENDING or BLOCKING; 'all' of PENDING; or 'look': posts what the process has. */
  what: string;
  /** Of somebody who keeps it waiting; without, a path, and it does so itself. */
  place: Handed | string;
  end: 'stay' | 'exit' | 'throw' | 'over' | 'nest';
  /** Milliseconds until it ends. */
  after: number;
}

const task = workerData as Task;
const quietly = (promise: unknown): unknown => Promise.resolve(promise).catch(() => {});

async function ends(keeper: Keeper | undefined): Promise<void> {
  await pause(task.after);
  if (task.end === 'exit') process.exit(5);
  if (task.end === 'throw') throw new Error('on purpose');
  if (task.end === 'over') keeper?.letGo();
  if (task.end === 'nest') {
    // Its own worker is in the midst of everything when this one ends.
    const inner = new Worker(new URL(import.meta.url), {
      workerData: { ...task, end: 'stay' } satisfies Task,
    });
    inner.on('message', () => process.exit(5));
  }
}

if (task.what === 'look') {
  gc();
  await pause(0);
  parentPort?.postMessage({
    ...stats(),
    open: descriptors().size,
    areas: steadyAreas(),
    waiters: threads('memmap-wait'),
  });
} else if (task.what === 'all') {
  const keeper = new Keeper(task.place as string);
  const { place } = keeper;
  for (const name of ['Receiver.receive', 'Sender.send']) quietly(PENDING[name]?.(place));
  for (const [name, begin] of Object.entries(PENDING)) {
    if (!/^Receiver|^Sender/.test(name)) quietly(begin(place));
  }
  // For whoever looks at it when this thread has ended.
  parentPort?.postMessage(place.memory.sharedBuffer);
  await ends(keeper);
} else {
  const place = taken(task.place as Handed);
  parentPort?.postMessage('there');
  if (task.end !== 'stay' && task.end !== 'over') ends(undefined);
  await (PENDING[task.what] ?? BLOCKING[task.what])?.(place);
}
