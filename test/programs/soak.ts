// Everything at once, for long: what is mapped, dropped, resized, slid, cut and flushed; workers and processes
// that come, share, and are killed; locks, waits, channels. Prints a line of JSON: samples, and what was done.
//
//   soak ROUNDS SECONDS DIRECTORY SEED      until both are over     (node --expose-gc --no-warnings)
//   soak child                              shares memory and a channel, until it is killed
import assert from 'node:assert/strict';
import { readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { anonymous, inherited, map, SharedMemory, share, stats } from 'memmap';
import { Channel } from 'memmap/channel';
import { MAP, mmap, munmap, PROT } from 'memmap/posix';
import { Mutex, notify, waitAsync } from 'memmap/sync';
import { collected } from '../support/gc.js';
import { random } from '../support/orders.js';
import { descriptors, maps, steadyAreas, threads } from '../support/proc.js';
import { start } from '../support/program.js';
import { outcome } from '../support/sync.js';
import type { Task } from './lifecycle-worker.js';

export interface Sample {
  round: number;
  seconds: number;
  /** Bytes, after a full collection. */
  rss: number;
  open: number;
  regions: number;
  mappedBytes: number;
  /** The package's, beside those that are open. */
  descriptors: number;
  areas: number;
  threads: number;
  waiters: number;
}

const [rounds = '', seconds = '', directory = '', seed = ''] = process.argv.slice(2);
const chance = random(Number(seed));
const below = (count: number): number => Math.floor(chance() * count);
const done: Record<string, number> = {};
const count = (what: string, by = 1): void => {
  done[what] = (done[what] ?? 0) + by;
};
const LENGTH = 64 << 10;
let files = 0;
const path = (name: string): string => join(directory, name);

/** Mapped, and unmapped or dropped. */
function mappings(): void {
  for (let i = 0; i < 150; i++) {
    const access = (['read', 'write', 'copy'] as const)[i % 3] as 'read';
    if (i % 5 === 4) {
      const buffer = mmap(8192, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.ANONYMOUS);
      new Uint8Array(buffer)[0] = 1;
      if (i % 2 === 0) munmap(buffer);
      continue;
    }
    const made = i % 2 === 0 ? map(path('base'), { access }) : anonymous(8192);
    if (i % 4 < 2) made.view(Uint8Array, 0, 4096).includes(1);
    if (i % 7 === 0) new Uint8Array(made.sharedBuffer).includes(1);
    if (below(2) === 0) made.unmap();
  }
  count('mappings', 150);
}

/** Resized, slid, cut under itself, healed, flushed. */
async function file(): Promise<void> {
  const own = path(`file-${files++ % 50}`);
  writeFileSync(own, new Uint8Array(LENGTH).fill(7));
  const mapping = map(own, { access: 'write', reserve: 4 * LENGTH });
  mapping.resize(2 * LENGTH);
  mapping.resize(8 * LENGTH);
  mapping.bytes.fill(1);
  const flushed = [mapping.flush(), mapping.flush([[0, 4096], [LENGTH, 4096]])]; // biome-ignore format: one line
  const window = map(own, { access: 'write', length: LENGTH });
  for (let at = 0; at < 8; at++) {
    window.slide(at * LENGTH);
    window.bytes[at] = at;
  }
  await Promise.all([...flushed, window.flush(), window.prefetch()]);
  truncateSync(own, 4096);
  assert.equal(mapping.bytes[LENGTH], 0);
  assert.equal(await outcome(mapping.flush()), 'ERR_MAPPING_FAULT');
  mapping.refresh();
  mapping.flushSync(0, 4096);
  if (below(2) === 0) mapping.unmap();
  window.unmap();
  count('faults');
  count('flushes', 5);
}

/** Tasks that wait for a lock or a word; half of the waits are given up. */
async function waits(): Promise<void> {
  const memory = SharedMemory.create(4096);
  const words = memory.view(Int32Array, 0, 64);
  const held = new Mutex(memory, 0).lockSync();
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = Array.from({ length: 20 }, (_, i) =>
    outcome(waitAsync(words, 8 + i, 0, i % 2 === 0 ? { signal } : {})),
  );
  const locks = [new Mutex(memory, 0).lock(), new Mutex(memory, 0).lock()];
  const late = outcome(new Mutex(memory, 0).lock({ signal }));
  controller.abort({ code: 'aborted' });
  for (let i = 1; i < 20; i += 2) {
    words[8 + i] = 1;
    notify(words, 8 + i);
  }
  held.unlock();
  for (const one of locks) (await one).unlock();
  const outcomes = [...(await Promise.all(waiting)), await late];
  assert.deepEqual([...new Set(outcomes)].sort(), ['aborted', 'ok']);
  memory.unmap();
  count('waits', 20);
}

async function messages(): Promise<void> {
  const channel = Channel.create({ capacity: 4096, producers: 2 });
  const [one, other, receiver] = [channel.sender(), channel.sender(), channel.receiver()];
  const send = async (sender: typeof one): Promise<void> => {
    for (let i = 0; i < 200; i++) await sender.send(new Uint8Array(100));
    sender.close();
  };
  let got = 0;
  const receives = async (): Promise<void> => {
    for await (const message of receiver) got += message.length;
  };
  await Promise.all([send(one), send(other), receives()]);
  assert.equal(got, 40_000);
  receiver.close();
  channel.memory.unmap();
  count('messages', 400);
}

const WORKER = fileURLToPath(new URL('lifecycle-worker.js', import.meta.url));
const ENDS: Task['end'][] = ['stay', 'exit', 'over', 'throw'];

/** One that is in the midst of everything, and ends. */
async function worker(round: number): Promise<void> {
  const end = ENDS[round % ENDS.length] ?? 'stay';
  const task: Task = { what: 'all', place: path(`worker-${round % 4}`), end, after: below(20) };
  const made = new Worker(WORKER, { workerData: task });
  made.on('error', (error) => assert.equal(error.message, 'on purpose'));
  // Not once(): an error that overtakes the message would reject it.
  const ended = new Promise((resolve) => made.once('exit', resolve));
  const memory = await new Promise<SharedArrayBuffer>((resolve) => made.once('message', resolve));
  if (end === 'stay') await made.terminate();
  await ended;
  new Uint8Array(memory).fill(1);
  count('workers');
}

async function childBody(): Promise<void> {
  const mutex = new Mutex(inherited('memory'), 0);
  const sender = Channel.open(inherited('channel')).sender();
  for (let i = 0; ; i++) {
    const held = await mutex.lock();
    await sender.send(new Uint8Array(64).fill(i));
    held.unlock();
  }
}

/** A process that shares memory and a channel, and is killed in the middle of it. */
async function child(): Promise<void> {
  const name = `memmap-soak-${process.pid}-${files}`;
  const memory = SharedMemory.createNamed(name, LENGTH, { exclusive: true });
  const channel = Channel.create({ capacity: 1024 });
  const handed = share({ memory, channel: channel.memory }, { stdio: ['pipe', 'pipe', 'pipe'] as unknown[], env: {} }); // biome-ignore format: one line
  const process_ = start(fileURLToPath(import.meta.url), ['child'], {
    fds: handed.stdio.slice(3) as number[],
    env: handed.env,
  });
  const receiver = channel.receiver();
  for (let i = 0; i < 50; i++) assert.equal((await receiver.receive())?.length, 64);
  assert.equal((await process_.kill()).signal, 'SIGKILL');
  const left = await new Mutex(memory, 0).lock({ timeout: 30_000 });
  count(left.ownerDied ? 'dead owners' : 'free locks');
  left.unlock();
  while ((await receiver.receive()) !== undefined) count('messages');
  receiver.close();
  channel.memory.unmap();
  SharedMemory.unlink(name);
  if (below(2) === 0) memory.unmap();
  count('children killed');
}

const began = performance.now();
const elapsed = (): number => (performance.now() - began) / 1000;

/** What is left where nothing should be: files that are open or mapped, and pages that are kept from others. */
const left: string[] = [];
function lookAtLeft(round: number): void {
  const files = [...descriptors()].filter(([, to]) => /^\/(memfd|dev\/shm|tmp)/.test(to));
  const areas = maps().filter(({ path, perms }) => /memfd|shm/.test(path) || perms === '---p');
  left.push(
    `round ${round}: ${JSON.stringify(stats())}`,
    ...files.map(([fd, to]) => `${fd} ${to}`),
  );
  left.push(...areas.map(({ start, end, perms, path }) => `${start.toString(16)} ${end - start} ${perms} ${path}`)); // biome-ignore format: one line
}

/** When what was dropped is collected. */
async function sample(round: number): Promise<Sample> {
  const gone = collected('what was dropped', () => stats().regions === 0, 10_000);
  await gone.catch(() => lookAtLeft(round));
  const waiters = threads('memmap-wait');
  return {
    round,
    seconds: Math.round(elapsed()),
    rss: process.memoryUsage.rss(),
    open: descriptors().size,
    regions: stats().regions,
    mappedBytes: stats().mappedBytes,
    descriptors: stats().descriptors,
    areas: steadyAreas(),
    threads: readdirSync('/proc/self/task').length - waiters,
    waiters,
  };
}

/** Threads that wait end when they have been idle for ten seconds. */
async function rested(): Promise<void> {
  for (let i = 0; i < 60 && threads('memmap-wait') > 0; i++) await pause(500);
}

async function soak(): Promise<void> {
  writeFileSync(path('base'), new Uint8Array(LENGTH).fill(1));
  const all = (round: number) =>
    Promise.all([worker(round), child(), file(), waits(), messages(), mappings()]);
  const samples: Sample[] = [];
  /** The runtime, its pool and the C library's arenas are as large as they get after some. */
  const WARM = 6;
  for (let round = 0; round < WARM; round++) await all(round);
  const first = await sample(0);
  const every = Number(seconds) > 0 ? 40 : 5;
  for (let round = 1; round <= Number(rounds) || elapsed() < Number(seconds); round++) {
    await all(round);
    count('rounds');
    if (round % every === 0) samples.push(await sample(round));
  }
  await rested();
  const last = await sample(done['rounds'] ?? 0);
  const names = readdirSync('/dev/shm').filter((one) => one.startsWith(`memmap-soak-${process.pid}-`)); // biome-ignore format: one line
  console.log(JSON.stringify({ first, samples, last, done, names, left }));
}

await (rounds === 'child' ? childBody() : soak());
