// Calls every export of the add-on with garbage, some thousand times: in the main thread as the package
// has set it up, and in workers that the package has not been loaded in, where the function that makes
// the errors is garbage as well. Nothing may end the process, and all must be given back in the end.
//
//   [MEMMAP_SEED=n] [MEMMAP_CALLS=n] node --expose-gc --no-warnings native-fuzz      in an empty directory
//
// Prints the seed first, and a line of JSON last: into a pipe, since a file would be cut by ftruncate(1).

import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import fc from 'fast-check';
import { expectedOf, mapping, naming, opening, owning, waiting } from '../support/exports.js';
import {
  type Argument,
  buffer,
  garbage,
  Hostile,
  sharedView,
  type World,
} from '../support/garbage.js';

type Export = (...args: unknown[]) => unknown;
export interface Counts {
  calls: Record<string, number>;
  /** Those of them that did not throw. */
  returned: Record<string, number>;
}
export interface Report extends Counts {
  exports: string[];
  others: string[];
  /** Of the calls that the seed has brought about. */
  digest: string;
  faults: number;
  /** What was not given back. */
  left: object;
}

/** In the main thread the package's own, which it has configured; a worker's has been configured by nobody. */
async function load(): Promise<Record<string, unknown>> {
  if (!isMainThread) {
    const root = fileURLToPath(new URL('../../..', import.meta.url));
    const require = createRequire(import.meta.url);
    return (require('node-gyp-build') as (folder: string) => Record<string, unknown>)(root);
  }
  const { dlopen } = process;
  let exports = {};
  process.dlopen = (module: { exports: object }, ...args) => {
    dlopen.call(process, module, ...args);
    exports = module.exports;
  };
  await import('memmap');
  process.dlopen = dlopen;
  return exports;
}
const addon = await load();
const names = Object.keys(addon).filter((name) => typeof addon[name] === 'function');
const call = (name: string, ...args: unknown[]): unknown => (addon[name] as Export)(...args);

const expected = expectedOf(addon['constants'] as Record<string, number>);

/** Names in /dev/shm belong to the whole machine: each of ours begins like this. */
const PREFIX = `memmap-fuzz-${basename(process.cwd())}-`;
function ownName(name: unknown): unknown {
  if (typeof name === 'string') return PREFIX + name.replaceAll('/', '_');
  if (!ArrayBuffer.isView(name)) return name;
  return Buffer.from(PREFIX + (Buffer.isBuffer(name) ? name.toString('hex').slice(0, 500) : ''));
}
function unlinkNames(): void {
  for (const name of readdirSync('/dev/shm')) {
    if (name.startsWith(PREFIX)) unlinkSync(`/dev/shm/${name}`);
  }
}

/** Blocked calls, and waits that are pending, are not to last. */
const few = (value: unknown): unknown =>
  typeof value === 'number' ? Math.min(Math.abs(value), 3) : value;

interface Call {
  name: string;
  how: 'call' | 'apply' | 'new';
  self: Argument;
  args: Argument[];
}
/** Mostly what is expected, so that the call gets somewhere; the rest, or all of it, garbage. */
function callOf(name: string): fc.Arbitrary<Call> {
  const wrong = fc.array(garbage, { maxLength: 7 });
  const right = (expected[name] ?? []).map((good) =>
    fc.oneof({ weight: 9, arbitrary: good }, { weight: 1, arbitrary: garbage }),
  );
  return fc.record({
    name: fc.constant(name),
    how: fc.constantFrom('call', 'call', 'call', 'call', 'apply', 'new'),
    self: garbage,
    args: fc.oneof({ weight: 3, arbitrary: fc.tuple(...right) }, { weight: 1, arbitrary: wrong }),
  });
}
const round = fc.tuple(
  fc.array(fc.oneof(...names.map(callOf)), { minLength: 40, maxLength: 40 }),
  fc.array(fc.tuple(fc.oneof(buffer, sharedView), fc.nat(), fc.boolean()), { maxLength: 10 }),
);

const KEPT = 24;
const locking = ['mutexTry', 'mutexLock'];
/** The owners of the mappings that the mutexes are of. */
const owners = new WeakMap<object, unknown>();
/** The owners of mappings and mutexes, by their numbers. */
const byNumber = new Map<unknown, WeakRef<object>>();
/** Lets go of its lock, if it has it, for which it would live on with its mapping. */
function release(mutex: object): void {
  try {
    call('mutexUnlock', mutex);
  } catch (error) {
    if ((error as { code?: unknown } | undefined)?.code === 'EPERM') return;
    try {
      call('unmap', owners.get(mutex)); // slid away, or worse
    } catch {
      // As the maker of errors pleases.
    }
  }
}

/** Returns what is kept no longer: it is left to the garbage collector. */
function keep<T>(list: T[], item: T): T | undefined {
  list.push(item);
  return list.length > KEPT ? list.shift() : undefined;
}

function sort(
  world: World,
  name: string,
  made: readonly unknown[],
  result: unknown,
  promises: Promise<unknown>[],
): void {
  const owner = made[0] as object;
  if (result instanceof ArrayBuffer) keep(world.buffers, result);
  else if (result instanceof SharedArrayBuffer) keep(world.shared, result);
  else if (result instanceof Promise) promises.push(result);
  else if (name === 'prepareFlush') keep(world.jobs, owner);
  else if (name === 'startWait' || name === 'mutexStartWait') keep(world.waits, result as number);
  else if (name === 'openMutex') {
    owners.set(owner, byNumber.get(made[1])?.deref() ?? made[1]);
    byNumber.set(result, new WeakRef(owner));
    const gone = keep(world.mutexes, owner);
    if (gone !== undefined) release(gone);
  } else if (name === 'descriptorOf' && typeof result === 'number')
    keep(world.descriptors, result as number);
  else if (opening.includes(name)) {
    const closed = keep(world.owned, result as number);
    if (closed !== undefined) closeSync(closed);
  } else if (mapping.includes(name)) {
    keep(world.handles, owner);
    keep(world.numbers, result as number);
    byNumber.set(result, new WeakRef(owner));
  }
}

/** In the main thread errors are the package's own, or an argument's. */
function acceptable(error: unknown): boolean {
  if (error instanceof Hostile || !isMainThread) return true;
  return error instanceof Error && typeof (error as { code?: unknown }).code === 'string';
}

async function run(
  world: World,
  seed: number,
  calls: number,
): Promise<Counts & { digest: string }> {
  const counts: Counts = { calls: {}, returned: {} };
  const digest = createHash('sha256');
  const count = (of: Record<string, number>, name: string) => {
    of[name] = (of[name] ?? 0) + 1;
  };

  const property = fc.asyncProperty(round, async ([some, touched]) => {
    const promises: Promise<unknown>[] = [];
    for (const { name, how, self, args } of some) {
      digest.update(JSON.stringify([name, how, self.name, args.map((arg) => arg.name)]));
      const made = args.map((arg) => arg.make(world));
      const named = naming[name];
      if (named !== undefined) made[named] = ownName(made[named]);
      // Never collected, and what belongs to it neither.
      const immortal = made[0] === globalThis || typeof made[0] === 'function';
      if (owning.includes(name) && immortal) made[0] = {};
      const span = waiting[name];
      if (span !== undefined && span < made.length) made[span] = few(made[span]);
      count(counts.calls, name);
      try {
        const target = addon[name] as Export;
        const result =
          how === 'call' || [...opening, ...owning].includes(name) // `new` would lose a number
            ? target(...made)
            : how === 'apply'
              ? Reflect.apply(target, self.make(world), made)
              : Reflect.construct(target, made);
        sort(world, name, made, result, promises);
        // A number may be that of a mutex that has left the list: nobody would release its lock.
        const locked = locking.includes(name) ? byNumber.get(made[0])?.deref() : undefined;
        if (locked !== undefined && !world.mutexes.includes(locked)) release(locked);
        count(counts.returned, name);
      } catch (error) {
        if (!acceptable(error)) throw error;
      }
    }
    // Whatever the pages have become, they can be used.
    for (const [argument, where, write] of touched) {
      const memory = argument.make(world);
      const plain = memory instanceof ArrayBuffer && memory.byteLength > 0;
      const bytes = plain ? new Uint8Array(memory) : memory;
      if (!(bytes instanceof Uint8Array) || bytes.length === 0) continue;
      const at = where % bytes.length;
      if (write) bytes[at] = 1;
      if (bytes[at] === undefined) throw new Error('a byte inside a buffer is none');
    }
    for (const settled of await Promise.allSettled(promises)) {
      if (settled.status === 'rejected' && !acceptable(settled.reason)) throw settled.reason;
    }
    unlinkNames();
    await turn(); // finalizers
  });
  await fc.assert(property, { seed, numRuns: Math.ceil(calls / 40), endOnFailure: true });
  return { ...counts, digest: digest.digest('hex') };
}

function makeWorld(directory: string): World {
  mkdirSync(directory, { recursive: true });
  // The first listener stays: not one that throws into the event loop.
  call('listenForWaits', () => 0);
  const paths = ['some', 'pages', 'empty', 'missing'].map((name) => `${directory}/${name}`);
  writeFileSync(paths[0] ?? '', 'some bytes');
  writeFileSync(paths[1] ?? '', new Uint8Array(65_536));
  writeFileSync(paths[2] ?? '', '');
  const fds = [
    openSync(paths[0] ?? '', 'r+'),
    openSync(paths[1] ?? '', 'r+'),
    openSync(paths[1] ?? '', 'r'),
    openSync(paths[2] ?? '', 'a'),
    openSync(directory, 'r'),
    openSync('/dev/null', 'r+'),
    openSync(paths[1] ?? '', 0o10000000), // O_PATH
  ];
  return {
    ...{ handles: [], numbers: [], jobs: [], mutexes: [], waits: [], buffers: [], shared: [] },
    ...{ fds, descriptors: [], owned: [], paths },
  };
}

/** Unmaps and closes what is there. */
function end(world: World): void {
  call('refWaits', false); // it may have been told to keep the process alive
  for (const open of [...world.fds, ...world.owned]) closeSync(open);
  call('refWaits', false); // or it would live on for waits that nobody began
  for (const mutex of world.mutexes.splice(0)) release(mutex);
  for (const mapping of world.handles) call('unmap', mapping);
  for (const memory of world.buffers) if (memory.byteLength > 0) call('munmap', memory);
  // Also the waits: `new` gives an object in place of a number, and it may have become an owner.
  const { handles, numbers, waits, buffers, jobs, shared } = world;
  for (const list of [handles, numbers, waits, buffers, jobs, shared]) list.length = 0;
}

/** Makers of errors: none of them makes one. Each may be called in the middle of anything. */
const makers: readonly ((world: World) => unknown)[] = [
  () => new Error('made'),
  () => undefined,
  () => Symbol('made'),
  () => {
    throw new Hostile('made');
  },
  (world) => {
    for (const mapping of world.handles.splice(0)) call('unmap', mapping);
    return 5;
  },
  (world) => {
    const [mapping] = world.handles;
    return mapping === undefined ? null : call('bufferOf', mapping, 1e9, 1e9); // fails: calls the maker again
  },
];

interface Task {
  seed: number;
  calls: number;
  maker: number;
}

async function inWorker({ seed, calls, maker }: Task): Promise<void> {
  const world = makeWorld(`worker-${maker}`);
  // Before configure(): nobody makes errors, no buffer is small enough.
  const before = await run(world, seed, calls / 4);
  let depth = 0;
  const make = () => {
    if (depth > 20) return null;
    depth++;
    try {
      return makers[maker]?.(world);
    } finally {
      depth--;
    }
  };
  try {
    call('configure', make, () => 1, 2 ** 20);
    before.calls['configure'] = (before.calls['configure'] ?? 0) + 1;
    before.returned['configure'] = (before.returned['configure'] ?? 0) + 1;
  } catch {
    // One of the calls before has configured it already, with who knows what.
  }
  const after = await run(world, seed + 1, calls);
  try {
    end(world);
  } catch {
    // As the maker pleases. What is left, the end of the worker gives back.
  }
  parentPort?.postMessage([before, after]);
}

async function inMain(): Promise<void> {
  const seed = Number(process.env['MEMMAP_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  const calls = Number(process.env['MEMMAP_CALLS'] ?? 20_000);
  console.log(`seed ${seed}`);

  // The package configures the add-on; its first mapping installs the guard for good.
  const { anonymous, stats } = await import('memmap');
  anonymous(1).unmap();
  const world = makeWorld('main');
  const results = [await run(world, seed, calls * 0.7)];
  end(world);
  for (const maker of makers.keys()) {
    const task: Task = { seed: seed + 2 + maker, calls: (calls * 0.3) / makers.length, maker };
    const worker = new Worker(new URL(import.meta.url), { workerData: task });
    results.push(
      ...(await new Promise<typeof results>((resolve, reject) => {
        let counts: typeof results = [];
        worker.once('message', (message) => {
          counts = message as typeof results;
        });
        worker.once('error', reject);
        worker.once('exit', (code) =>
          code === 0 ? resolve(counts) : reject(new Error(`a worker ended with ${code}`)),
        );
      })),
    );
  }

  const { faults } = stats();
  // Collected once nothing refers to it, which takes some turns of the event loop.
  for (let i = 0; i < 100 && (stats().regions > 0 || stats().descriptors > 0); i++) {
    (globalThis as { gc?: () => void }).gc?.();
    await turn();
  }
  const sum = (of: 'calls' | 'returned') => {
    const total: Record<string, number> = {};
    for (const result of results) {
      for (const [name, n] of Object.entries(result[of])) total[name] = (total[name] ?? 0) + n;
    }
    return total;
  };
  const report: Report = {
    exports: names,
    others: Object.keys(addon).filter((name) => !names.includes(name)),
    calls: sum('calls'),
    returned: sum('returned'),
    digest: results.map((result) => result.digest).join(' '),
    faults,
    left: stats(),
  };
  console.log(JSON.stringify(report));
}

await (isMainThread ? inMain() : inWorker(workerData as Task));
