// A process, or its workers, that ends with waits pending or threads blocked.
//
//   wait-lifecycle SCENARIO [ARGUMENT]
import { readdirSync } from 'node:fs';
import { anonymous, SharedMemory, stats } from 'memmap';
import { Mutex, notify, wait, waitAsync } from 'memmap/sync';
import { forkTouch } from '../support/fork.js';
import { areasOf, blockedOn, descriptors, maps } from '../support/proc.js';
import { waiterThreads, wakeOne } from '../support/sync.js';
import { until } from '../support/until.js';
import { TestWorker } from '../support/worker.js';

const [scenario = '', argument = ''] = process.argv.slice(2);
const NAME = 'lifecycle';
const memory = SharedMemory.create(4096, { name: NAME });
const cell = new Int32Array(memory.buffer);
const word = areasOf(`/memfd:${NAME}`, maps())[0]?.start ?? 0;
const say = (text: unknown): void => console.log(text);

const BODIES: Record<string, string> = {
  wait: "post('there'); wait(new Int32Array(data), 0, 0);",
  waitTimeout: "post('there'); wait(new Int32Array(data), 0, 0, 1e9);",
  waitAsync:
    "for (let i = 0; i < 100; i++) waitAsync(new Int32Array(data), 0, 0).catch(() => {}); post('there');",
  lock: "new Mutex(Mapping.from(data), 0).lock(); new Mutex(Mapping.from(data), 0).lock(); post('there');",
  lockSync: "post('there'); new Mutex(Mapping.from(data), 0).lockSync();",
};

/** A worker in the middle of what it is told to do. */
async function busyWorker(what: string): Promise<TestWorker> {
  const body = BODIES[what];
  if (body === undefined) throw new Error(`no such body: ${what}`);
  const worker = new TestWorker(body, memory.sharedBuffer);
  await worker.next();
  const blocks = what.startsWith('wait') ? what !== 'waitAsync' : what === 'lockSync';
  if (blocks) await until('it is blocked', () => blockedOn(word));
  else await until('a thread waits for it', () => waiterThreads() > 0);
  return worker;
}

/** All but those of waits, which stay for a while. */
const threads = (): number => readdirSync('/proc/self/task').length - waiterThreads();

const scenarios: Record<string, () => unknown> = {
  /** Alive as long as the wait is. */
  async pending() {
    const begin = performance.now();
    process.on('exit', () => say(`exit ${performance.now() - begin >= 200}`));
    waitAsync(cell, 0, 0, { timeout: 200 }).then(say);
  },
  /** For ever: somebody else must wake it. */
  forever() {
    waitAsync(cell, 0, 0).then(say);
    say('there');
  },
  async settled() {
    const waiting = waitAsync(cell, 0, 0);
    notify(cell, 0);
    say(await waiting);
  },
  async aborted() {
    const controller = new AbortController();
    const waiting = waitAsync(cell, 0, 0, { signal: controller.signal });
    controller.abort({ code: 'aborted' });
    await waiting.catch(({ code }) => say(code));
  },
  async late() {
    say(await waitAsync(cell, 0, 0, { timeout: 1 }));
  },
  async closed() {
    const waiting = waitAsync(cell, 0, 0);
    memory.unmap();
    await waiting.catch(({ code }) => say(code));
  },
  async locked() {
    const mutex = new Mutex(memory, 0);
    const held = mutex.lockSync();
    const waiting = mutex.lock();
    held.unlock();
    (await waiting).unlock();
    say('unlocked');
  },
  async terminate() {
    // A lock that is held, where one is waited for.
    if (argument.startsWith('lock')) new Mutex(memory, 0).lockSync();
    const worker = await busyWorker(argument);
    say(await worker.terminate());
  },
  /** With the code given. */
  async exit() {
    if (argument.startsWith('lock')) new Mutex(memory, 0).lockSync();
    await busyWorker(argument);
    waitAsync(cell, 1, 0);
    process.exit(7);
  },
  async exitInWorker() {
    const worker = new TestWorker(`${BODIES[argument]}; process.exit(5);`, memory.sharedBuffer);
    if (argument === 'lock') new Mutex(memory, 0).lockSync();
    say(await worker.ended);
  },
  async throws() {
    await busyWorker(argument);
    waitAsync(cell, 1, 0);
    setImmediate(() => {
      throw new Error('on purpose');
    });
  },
  async rejects() {
    const waiting = waitAsync(cell, 1, 0);
    memory.unmap();
    await waiting; // nobody catches it
  },
  /** The main thread itself. */
  blocked() {
    say('there');
    wait(cell, 0, 0);
  },
  blockedInLock() {
    // A worker holds the lock.
    const worker = new TestWorker(
      "globalThis.held = new Mutex(Mapping.from(data), 0).lockSync(); post('held'); setInterval(() => {}, 1000);",
      memory.sharedBuffer,
    );
    return worker.next().then(() => {
      say('there');
      new Mutex(memory, 0).lockSync();
    });
  },
  /** A real fork(2), while threads of ours wait. */
  async fork() {
    const anonymousCell = new Int32Array(anonymous(4096).buffer);
    const all = [
      ...Array.from({ length: 70 }, (_, i) => waitAsync(cell, i, 0)),
      waitAsync(anonymousCell, 0, 0),
    ];
    for (let i = 0; i < 20; i++) {
      say(JSON.stringify(forkTouch(new Uint8Array(memory.buffer), i)));
    }
    for (let i = 0; i < 70; i++) {
      cell[i] = 1;
      notify(cell, i);
    }
    notify(anonymousCell, 0);
    say([...new Set(await Promise.all(all))].join());
    say(wait(anonymousCell, 0, 0, 1));
  },
  /** Workers that end with waits pending leave nothing. */
  async loop() {
    const rounds = Number(argument);
    const round = async (i: number): Promise<void> => {
      const worker = new TestWorker(
        `
        const own = anonymous(4096);
        const cells = [new Int32Array(data), new Int32Array(own.buffer)];
        for (const cell of cells) {
          for (let i = 0; i < 10; i++) waitAsync(cell, i, 0).catch(() => {});
        }
        const mutex = new Mutex(Mapping.from(data), 64);
        mutex.lock().then(() => mutex.lock());
        post('there');
        ${i % 2 === 0 ? 'process.exit(0)' : 'setInterval(() => {}, 1000)'};`,
        memory.sharedBuffer,
      );
      await worker.next();
      if (i % 2 === 1) await worker.terminate();
      await worker.ended;
    };
    const held = () => ({ ...stats(), open: descriptors().size, threads: threads() });
    for (let i = 0; i < 4; i++) await round(i);
    await until('only its own memory is left', () => stats().regions === 1);
    const before = held();
    for (let i = 0; i < rounds; i++) await round(i);
    await until('only its own memory is left', () => stats().regions === 1);
    await until('all threads', () => threads() <= before.threads);
    say(JSON.stringify({ before, after: held() }));
    // Threads are used again: as many as there were waits at once, and no more.
    say(waiterThreads() <= 64 + 8);
    // Nobody is woken in the place of those that have ended.
    await until('nobody sleeps there', () => notify(cell, 0) === 0);
    const waiting = waitAsync(cell, 0, 0);
    await wakeOne(cell);
    say(await waiting);
  },
  /** A thread with nothing to do ends after ten seconds. */
  async idle() {
    await Promise.all(Array.from({ length: 20 }, (_, i) => waitAsync(cell, i, 0, { timeout: 5 })));
    say(waiterThreads() > 0);
    if (argument !== 'long') return;
    await until('they have ended', () => waiterThreads() === 0, 60_000);
    say('ended');
    // And a new one starts.
    const waiting = waitAsync(cell, 0, 0);
    notify(cell, 0);
    say(await waiting);
  },
};

const run = scenarios[scenario];
if (run === undefined) throw new Error(`no scenario ${scenario}`);
await run();
