// Nothing is left behind by a process that used shared memory, however it ended: no descriptor, no mapping,
// no memory, no lock, no name that nobody asked for, no thread that keeps it from ending.

import { randomBytes } from 'node:crypto';
import { fstatSync, readdirSync, rmSync, type Stats, statSync } from 'node:fs';
import { SharedMemory } from 'memmap';
import { Mutex } from 'memmap/sync';
import { describe, expect, onTestFinished, test } from 'vitest';
import { descriptionLocks, holders } from './support/proc.js';
import { native, program, run, start } from './support/program.js';
import { until } from './support/until.js';

const NAME = () => `memmap-test-${process.pid}-${randomBytes(6).toString('hex')}`;
const segments = (prefix: string) =>
  readdirSync('/dev/shm').filter((name) => name.startsWith(prefix));
/** The locks of left-behind.ts, by their bytes. */
const LOCKS = [0, 8, 16];

/** Who holds it, when this process does not count. */
const others = (file: Stats) => holders(file).filter((who) => !who.startsWith(`${process.pid} `));

type End = 'finish' | 'exit' | 'throw' | 'SIGKILL' | 'SIGTERM';
const ENDS: [End, died: boolean, code: number | null, signal: string | null][] = [
  ['finish', false, 0, null],
  ['exit', true, 3, null],
  ['throw', true, 1, null],
  ['SIGKILL', true, null, 'SIGKILL'],
  ['SIGTERM', true, null, 'SIGTERM'],
];

function named() {
  const name = NAME();
  const memory = SharedMemory.createNamed(name, 4096);
  onTestFinished(() => {
    memory.unmap();
    rmSync(`/dev/shm/${name}`, { force: true });
  });
  return { memory, name, file: fstatSync(memory.fd) };
}

describe('a process that holds locks, waits, and has a worker that does', () => {
  test.each(ENDS)('and ends by %s', async (end, died, code, signal) => {
    const { memory, name, file } = named();
    await using other = start(program('left-behind'), ['hold', name], { ipc: true });
    expect(await other.message()).toBe('holds');
    // There is something to be left.
    expect(others(file)).toEqual([`${other.pid} fd`, `${other.pid} maps`]);
    expect(descriptionLocks(file.ino)).toBe(2);
    const mine = LOCKS.map((byte) => new Mutex(memory, byte));
    for (const mutex of mine) expect(mutex.tryLock()).toBeUndefined();
    if (end.startsWith('SIG')) other.child.kill(end as NodeJS.Signals);
    else other.child.send(end);
    expect(await other.ended).toMatchObject({ code, signal });
    expect(others(file)).toEqual([]);
    expect(descriptionLocks(file.ino)).toBe(1); // our own
    const held = mine.map((mutex) => mutex.tryLock());
    // The worker was terminated while it held its lock.
    expect(held.map((one) => one?.ownerDied)).toEqual([died, true, died]);
    for (const one of held) one?.unlock();
    expect(segments(name)).toEqual([name]);
    expect(holders(file)).toEqual([`${process.pid} fd`, `${process.pid} maps`]);
    memory.unmap();
    expect(holders(file)).toEqual([]);
    expect(descriptionLocks(file.ino)).toBe(0);
    expect(statSync(`/dev/shm/${name}`)).toMatchObject({ ino: file.ino, size: 4096 });
    SharedMemory.unlink(name);
    expect(segments(name)).toEqual([]);
  });

  test('a program in C that is killed with the lock', async () => {
    const { memory, name, file } = named();
    await using other = start(native('sync_peer'), ['hold', name, '24']);
    expect(await other.line(/held/)).toBe('held');
    expect(others(file)).toEqual([`${other.pid} fd`, `${other.pid} maps`]);
    expect(descriptionLocks(file.ino)).toBe(1);
    expect(await other.kill()).toMatchObject({ code: null, signal: 'SIGKILL' });
    expect(others(file)).toEqual([]);
    expect(descriptionLocks(file.ino)).toBe(0);
    const held = new Mutex(memory, 24).lockSync();
    expect(held.ownerDied).toBe(true);
    held.unlock();
    // And by the same in C the death of an owner in Node's place is found: there was none.
    await using next = start(native('sync_peer'), ['hold', name, '24']);
    expect(await next.line(/held/)).toBe('held');
  });
});

describe('memory of create()', () => {
  test.each([
    ['its maker first', ['maker', 'node', 'c']],
    ['its maker last', ['c', 'node', 'maker']],
  ] as const)('is gone with the last who has it, %s', async (_, order) => {
    const name = NAME();
    await using maker = start(program('left-behind'), ['make', name], { ipc: true });
    const { file, ...children } = await maker.message<{ node: number; c: number; file: Stats }>();
    const pids = { maker: maker.pid, ...children };
    const alive = new Set<keyof typeof pids>(['maker', 'node', 'c']);
    onTestFinished(() => {
      for (const who of alive) process.kill(pids[who], 'SIGKILL');
    });
    const wanted = () => [...alive].flatMap((who) => [`${pids[who]} fd`, `${pids[who]} maps`]);
    expect(holders(file)).toEqual(wanted().sort());
    for (const who of order) {
      if (alive.has(who)) process.kill(pids[who], 'SIGKILL');
      alive.delete(who);
      if (who === 'maker') alive.delete('c'); // it has asked to be killed with its parent
      const left = wanted().sort();
      await until(`${who} to be gone`, () => holders(file).join() === left.join());
    }
  });
});

test('a maker of names that is killed at any moment leaves whole ones, and nothing else', async () => {
  const prefix = NAME();
  onTestFinished(() => {
    for (const name of segments(prefix)) rmSync(`/dev/shm/${name}`);
  });
  let found = 0;
  for (let round = 0; round < 6; round++) {
    await using maker = start(program('left-behind'), ['names', `${prefix}-${round}`], {
      ipc: true,
    });
    await maker.message();
    await until('the first names', () => segments(`${prefix}-${round}-`).length > round);
    expect(await maker.kill()).toMatchObject({ code: null, signal: 'SIGKILL' });
    for (const name of segments(prefix)) {
      expect(name).toMatch(/-\d+-\d+$/);
      expect(statSync(`/dev/shm/${name}`).size).toBe(1 << 16);
      expect(holders(statSync(`/dev/shm/${name}`))).toEqual([]);
      SharedMemory.unlink(name);
      found++;
    }
  }
  expect(found).toBeGreaterThan(0);
});

test('who has waited, locked and unmapped has no descriptor left, and its threads do not keep it', async () => {
  const { code, signal, stdout, stderr } = await run(program('left-behind'), ['quiet']);
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({
    late: 'timed-out',
    threads: true,
    stats: { mappedBytes: 0, descriptors: 0 },
  });
});
