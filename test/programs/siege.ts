// A process whose file or memory somebody else changes at any time. It ends with code 0, and prints what it saw:
// errors by their codes, and what it had to see.
//
//   siege WHAT DIRECTORY SEED       (node --expose-gc --no-warnings)
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { type Mapping, map, SharedMemory, stats } from 'memmap';
import { Mutex, wait, waitAsync } from 'memmap/sync';
import { collected } from '../support/gc.js';
import { random } from '../support/orders.js';
import { program, start } from '../support/program.js';
import { until } from '../support/until.js';

const [what = '', directory = '', seed = '1'] = process.argv.slice(2);
const chance = random(Number(seed));
const below = (count: number): number => Math.floor(chance() * count);
const seen: Record<string, number> = {};
const see = (name: string): void => {
  seen[name] = (seen[name] ?? 0) + 1;
};
const codeOf = (error: unknown): string => {
  const { code, name } = error as { code?: unknown; name: string };
  return typeof code === 'string' ? code : name;
};

/** Begins only when the other one has. */
async function attackedBy(args: unknown[], fds: number[] = []) {
  const peer = start(program('siege-peer'), args.map(String), { fds, watchdog: 120_000 });
  await peer.line(/there/);
  return peer;
}

/** Everything that can be done with a mapping of a file. */
const CALLS: ((mapping: Mapping) => unknown)[] = [
  (m) => m.bytes.subarray(0, 300_000).fill(below(256)),
  (m) => m.bytes.includes('not there'),
  (m) => m.flush(),
  (m) => m.flush([[0, 4096], [below(m.length), 1]]), // biome-ignore format: one line
  (m) => m.flushSync(),
  (m) => m.refresh(),
  (m) => m.resize(below(1 << 18)),
  (m) => m.slide(4096 * below(40)),
  (m) => m.prefetch(),
  (m) => m.residency(),
  (m) => m.usage(),
  (m) => m.view(Uint8Array, below(m.length)).fill(1),
  (m) => new Uint8Array(m.sharedBuffer).fill(2),
  (m) => m.advise('dontneed'),
  (m) => m.protect('read'),
  (m) => m.lock(),
];

async function resized(): Promise<void> {
  const path = join(directory, 'file');
  writeFileSync(path, new Uint8Array(1 << 20));
  await using _ = await attackedBy(['resize', path, seed]);
  for (let round = 0; round < 300; round++) {
    try {
      const access = (['read', 'write', 'copy'] as const)[below(3)] as 'read';
      const reserve = below(2) === 0 ? {} : { reserve: 1 << 21 };
      const made = map(path, below(2) === 0 ? { access } : { access, length: 1 << 16, ...reserve });
      see('mapped');
      for (let i = 0; i < 12; i++) {
        try {
          await CALLS[below(CALLS.length)]?.(made);
        } catch (error) {
          see(codeOf(error));
        }
      }
      for (const { kind } of made.faults) see(kind);
      made.unmap();
    } catch (error) {
      see(codeOf(error));
    }
  }
}

async function swapped(): Promise<void> {
  const path = join(directory, 'at');
  await using _ = await attackedBy(['swap', directory]);
  const options = [
    {},
    { access: 'write', create: true, length: 4096 },
    { access: 'write' },
  ] as const;
  await until('each kind to be met', () => {
    for (let i = 0; i < 50; i++) {
      try {
        const made = map(path, options[i % options.length]);
        see(`mapped ${made.length}`);
        made.unmap();
      } catch (error) {
        see(codeOf(error));
      }
    }
    return ['mapped 8192', 'ENODEV', 'EISDIR', 'ENOENT', 'ELOOP'].every((kind) => kind in seen);
  });
}

async function notified(): Promise<void> {
  const memory = SharedMemory.create(4096);
  const words = memory.view(Int32Array, 0, 16);
  await using _ = await attackedBy(['notify'], [memory.fd]);
  let turns = 0;
  const count = (): void => {
    turns++;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  // Two tasks and an unprotected counter: somebody else's notify() is no unlock().
  let counter = 0;
  const mutexes = [new Mutex(memory, 0), new Mutex(memory, 0)];
  const tasks = mutexes.map(async (mutex) => {
    for (let i = 0; i < 200; i++) {
      using _held = await mutex.lock();
      const before = counter;
      await turn();
      counter = before + 1;
    }
  });
  await Promise.all(tasks);
  see(`counted ${counter}`);
  await until('waits to be woken for nothing', async () => {
    see(wait(words, 8, 0, 5));
    see(await waitAsync(words, 9, 0, { timeout: 5 }));
    return (seen['ok'] ?? 0) > 10;
  });
  clearImmediate(timer);
  if (turns > 100) see('the event loop ran');
  memory.unmap();
}

async function scribbled(): Promise<void> {
  const memory = SharedMemory.create(4096);
  const peer = await attackedBy(['scribble', seed], [memory.fd]);
  const mutex = new Mutex(memory, 0);
  const ways = [() => mutex.tryLock(), () => mutex.lockSync(1), () => mutex.lock({ timeout: 1 })];
  for (let i = 0; i < 3000; i++) {
    try {
      const held = await ways[i % 3]?.();
      see(held === undefined ? 'busy' : 'locked');
      held?.unlock();
    } catch (error) {
      see(codeOf(error));
    }
  }
  await peer.kill();
  memory.view(Int32Array, 0, 2).fill(0);
  mutex.lockSync(0).unlock();
  see('free at the end');
  memory.unmap();
}

/** Somebody has locked all bytes of the file, and those by which the participants of a Mutex are known. */
async function lockedOut(): Promise<void> {
  const memory = SharedMemory.create(4096);
  const mutex = new Mutex(memory, 0);
  const alone = SharedMemory.create(4096);
  const peer = start('python3', [join(directory, 'lock_ids.py')], { fds: [alone.fd] });
  await peer.line(/locked/);
  for (const make of [() => new Mutex(alone, 0), () => mutex]) {
    try {
      make().lockSync(0).unlock();
      see('locked');
    } catch (error) {
      see(codeOf(error));
    }
  }
  await peer.kill();
  new Mutex(alone, 0).lockSync(0).unlock();
  see('free at the end');
  for (const one of [memory, alone]) one.unmap();
}

const sieges: Record<string, () => Promise<void>> = {
  resized,
  swapped,
  notified,
  scribbled,
  lockedOut,
};
await sieges[what]?.();
await collected('what was mapped', () => stats().regions === 0).catch(() => {});
const { regions, descriptors } = stats();
console.log(JSON.stringify({ seen, left: { regions, descriptors } }));
