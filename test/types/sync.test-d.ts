// `memmap/sync`: what must compile, with the types that come out of it, and what must not. As usage.test-d.ts.

import { anonymous, inherited, SharedMemory } from 'memmap';
import { type Cell, type Held, Mutex, notify, wait, waitAsync } from 'memmap/sync';
import { is } from './same.js';

const memory = SharedMemory.create(4096);
const cell: Cell = memory.view(Uint32Array);
type Result = 'ok' | 'not-equal' | 'timed-out';
const waited = wait(memory.view(Int32Array), 0, 0, 10);
is<typeof waited, Result>(waited);
const { signal } = new AbortController();
const waiting = waitAsync(cell, 0, 0, { signal, timeout: 1 });
is<typeof waiting, Promise<Result>>(waiting);
const woken = notify(new Int32Array(memory.sharedBuffer), 0);
is<typeof woken, number>(woken);

const mutex = new Mutex(inherited('table'), Mutex.BYTES);
new Mutex(anonymous(4096), 0);
const tried = mutex.tryLock();
is<typeof tried, Held | undefined>(tried);
using held = await mutex.lock({ timeout: 10, signal });
is<typeof held.ownerDied, boolean>(held.ownerDied);
mutex.lockSync(10).unlock();

// @ts-expect-error: no cells of 32 bits
wait(memory.bytes, 0, 0);
// @ts-expect-error: a lock lies in a mapping
new Mutex(memory.buffer, 0);
// @ts-expect-error: it is told, not set
held.ownerDied = false;
// @ts-expect-error: not a result
const wrong: Result = 'woken';

export { wrong };
