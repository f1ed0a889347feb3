// Every call of the package that takes time, begun so that it is in its midst until somebody lets it go: what
// a process or a worker can be doing when it ends. scripts/attack/lifecycle.mjs compares the names with lib/*.d.ts.

import { Mapping, map, SharedMemory } from 'memmap';
import { Channel, type Receiver, type Sender } from 'memmap/channel';
import { type Held, Mutex, notify, wait, waitAsync } from 'memmap/sync';

/** What the calls are made on. */
export interface Place {
  path: string;
  /** A lock (which somebody else holds), the word that is waited for, and the word that says stop. */
  memory: Mapping;
  /** A channel whose receiver does not look, and one whose sender says nothing. */
  full: Channel;
  empty: Channel;
}
/** The same, as it is handed to a worker. */
export interface Handed {
  path: string;
  memory: SharedArrayBuffer;
  full: SharedArrayBuffer;
  empty: SharedArrayBuffer;
}

const [WORD, STOP] = [4, 5];
const FILE = 1 << 20;
const never = (): AbortSignal => new AbortController().signal;
const cellsOf = ({ memory }: Place): Int32Array => memory.view(Int32Array, 0, 16);
const message = new Uint8Array(16);

export const handed = ({ path, memory, full, empty }: Place): Handed => ({
  path,
  memory: memory.sharedBuffer,
  full: full.memory.sharedBuffer,
  empty: empty.memory.sharedBuffer,
});
export const taken = ({ path, memory, full, empty }: Handed): Place => ({
  path,
  memory: Mapping.from(memory),
  full: Channel.open(Mapping.from(full) as never),
  empty: Channel.open(Mapping.from(empty) as never),
});

/** Again and again, since nobody can hold a flush up; and each time there is something to write. */
async function again(place: Place, call: (mapping: Mapping) => unknown): Promise<void> {
  const cells = cellsOf(place);
  const mapping = map(place.path, { access: 'write', create: true, length: FILE });
  for (let i = 0; Atomics.load(cells, STOP) === 0; i++) {
    mapping.bytes.fill(i, 0, 1 << 16);
    await call(mapping);
    await new Promise((resolve) => setImmediate(resolve));
  }
  mapping.unmap();
}

async function locks(place: Place, lock: (mutex: Mutex) => Held | Promise<Held>): Promise<void> {
  const held = await lock(new Mutex(place.memory, 0));
  held.unlock();
}

/** On a sender without room. */
async function sends(place: Place, send: (sender: Sender) => unknown): Promise<void> {
  const sender = place.full.sender();
  while (sender.trySend(message));
  await send(sender);
  sender.close();
}

async function receives(place: Place, receive: (receiver: Receiver) => unknown): Promise<void> {
  const receiver = place.empty.receiver();
  await receive(receiver);
  receiver.close();
}

/** Promises: the thread goes on. */
export const PENDING: Record<string, (place: Place) => Promise<unknown>> = {
  'Mapping.flush': (place) => again(place, (mapping) => mapping.flush()),
  'Mapping.flush of a range': (place) => again(place, (mapping) => mapping.flush(4096, 9000)),
  'Mapping.flush of ranges': (place) =>
    again(place, (mapping) => mapping.flush([[0, 4096], [8192, 1], [40_960, 4096]])), // biome-ignore format: one line
  'Mapping.prefetch': (place) =>
    again(place, (mapping) => {
      mapping.advise('dontneed');
      return mapping.prefetch();
    }),
  'Mapping.[Symbol.asyncDispose]': (place) =>
    again(place, async () => {
      await using own = map(place.path, { access: 'write', length: 8192 });
      own.bytes[0]!++;
    }),
  'sync.waitAsync': (place) => waitAsync(cellsOf(place), WORD, 0),
  'sync.waitAsync, with a signal': (place) =>
    waitAsync(cellsOf(place), WORD, 0, { signal: never(), timeout: 1e6 }),
  'Mutex.lock': (place) => locks(place, (mutex) => mutex.lock()),
  'Mutex.lock, with a signal': (place) =>
    locks(place, (mutex) => mutex.lock({ signal: never(), timeout: 1e6 })),
  'Sender.send': (place) => sends(place, (sender) => sender.send(message)),
  'Sender.send, with a signal': (place) =>
    sends(place, (sender) => sender.send(message, { signal: never() })),
  'Receiver.receive': (place) => receives(place, (receiver) => receiver.receive()),
  'Receiver.receive, with a signal': (place) =>
    receives(place, (receiver) => receiver.receive({ signal: never() })),
  'Receiver.ready': (place) => receives(place, (receiver) => receiver.ready()),
  'Receiver.[Symbol.asyncIterator]': (place) =>
    receives(place, async (receiver) => {
      for await (const _ of receiver);
    }),
};

/** Calls that block the thread. */
export const BLOCKING: Record<string, (place: Place) => unknown> = {
  'Mapping.flushSync': (place) => again(place, (mapping) => mapping.flushSync()),
  'sync.wait': (place) => wait(cellsOf(place), WORD, 0),
  'Mutex.lockSync': (place) => locks(place, (mutex) => mutex.lockSync()),
  'Sender.sendSync': (place) => sends(place, (sender) => sender.sendSync(message)),
  'Receiver.receiveSync': (place) => receives(place, (receiver) => receiver.receiveSync()),
  'Receiver.drain': (place) =>
    receives(place, async (receiver) => {
      const cells = cellsOf(place);
      await receiver.ready();
      // It is let go of from outside.
      receiver.drain(() => {
        while (Atomics.load(cells, STOP) === 0);
      });
    }),
};

/** The other side of a place: it keeps everybody waiting, lets go, and shows that nobody is in the way. */
export class Keeper {
  readonly place: Place;
  readonly #cells: Int32Array;
  readonly #held: Held;
  readonly #sender;
  readonly #receiver: Receiver;

  constructor(path: string) {
    const place = {
      path,
      memory: SharedMemory.create(4096),
      full: Channel.create({ capacity: 64 }),
      empty: Channel.create({ capacity: 64 }),
    };
    this.place = place;
    this.#cells = cellsOf(place);
    this.#held = new Mutex(place.memory, 0).lockSync();
    this.#receiver = place.full.receiver();
    this.#sender = place.empty.sender();
  }

  /** Something for `drain()`. */
  say(): void {
    this.#sender.trySend(message);
  }

  letGo(): void {
    this.say();
    this.#sender.close();
    Atomics.store(this.#cells, STOP, 1);
    Atomics.store(this.#cells, WORD, 1);
    notify(this.#cells, WORD);
    this.#held.unlock();
    // A sender may only be filling its lane by now.
    this.#receiver.unref();
    this.#takesAll().catch(() => {});
  }

  async #takesAll(): Promise<void> {
    for await (const _ of this.#receiver);
  }

  /** After the others have ended, however: their places can be taken. Then it gives everything back. */
  close(): void {
    const { memory, full, empty } = this.place;
    this.#held.unlock();
    new Mutex(memory, 0).lockSync(10_000).unlock();
    while (this.#receiver.tryReceive() !== undefined);
    for (const end of [full.sender(), this.#receiver, empty.receiver(), this.#sender]) end.close();
    for (const one of [memory, full.memory, empty.memory]) one.unmap();
  }
}
