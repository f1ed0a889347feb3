// Somebody who shares memory with this process and means it harm: what he can do, and what he cannot. Each
// sentence of SECURITY.md about him names its test.

import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import { SharedMemory } from 'memmap';
import { F_SEAL, get_seals, PAGE_SIZE } from 'memmap/posix';
import { Mutex } from 'memmap/sync';
import { describe, expect, onTestFinished, test } from 'vitest';
import { thrown } from './support/bad.js';
import { program, start } from './support/program.js';
import { besieged, LOCKS, others } from './support/siege.js';
import { outcome } from './support/sync.js';
import { until } from './support/until.js';

const code = (call: () => unknown): unknown => (thrown(call) as { code?: unknown }).code;

function memory(length = PAGE_SIZE): SharedMemory {
  const made = SharedMemory.create(length);
  onTestFinished(() => made.unmap());
  return made;
}
/** A descriptor as somebody has it whom the memory was handed to. */
function descriptor(of: SharedMemory, flags: 'r' | 'r+'): number {
  const fd = openSync(`/proc/self/fd/${of.fd}`, flags);
  onTestFinished(() => closeSync(fd));
  return fd;
}

describe('memory of create()', () => {
  test('can be neither cut nor made longer by who has its descriptor', () => {
    const mine = memory();
    const fd = descriptor(mine, 'r+');
    for (const length of [0, 1, PAGE_SIZE - 1, 2 * PAGE_SIZE]) {
      expect(code(() => ftruncateSync(fd, length))).toBe('EPERM');
    }
    expect(mine.bytes.every((byte) => byte === 0)).toBe(true);
    expect(mine.faults).toEqual([]);
  });

  test('a hole that is punched into it makes bytes zero, and is no fault', () => {
    const mine = memory(2 * PAGE_SIZE);
    mine.bytes.fill(7);
    const path = `/proc/${process.pid}/fd/${mine.fd}`;
    const punch = () => {
      execFileSync('fallocate', ['-p', '-l', `${PAGE_SIZE}`, path], { stdio: 'pipe' });
    };
    punch();
    expect([mine.bytes[0], mine.bytes[PAGE_SIZE]]).toEqual([0, 7]);
    mine.bytes[0] = 1;
    expect(mine.faults).toEqual([]);
    mine.seal('write');
    expect(punch).toThrow();
    expect(mine.bytes[0]).toBe(1);
  });

  test('a descriptor to read is one to write, until it is sealed against writing', () => {
    const mine = memory();
    const reader = descriptor(mine, 'r');
    // Of a file without a name its mode decides, and that says everybody.
    const writer = openSync(`/proc/self/fd/${reader}`, 'r+');
    writeSync(writer, 'theirs');
    expect(mine.bytes.toString('latin1', 0, 6)).toBe('theirs');
    mine.seal('write');
    expect(code(() => writeSync(writer, 'again'))).toBe('EPERM');
    closeSync(writer);
    const other = descriptor(mine, 'r+');
    expect(code(() => SharedMemory.adopt(other))).toBe('EPERM');
    using theirs = SharedMemory.adopt(reader, { access: 'read' });
    mine.bytes.write('mine');
    expect(theirs.bytes.toString('latin1', 0, 6)).toBe('miners');
  });

  test('anybody may seal it against new writers; mappings that exist go on', async () => {
    const mine = memory();
    const peer = SharedMemory.adopt(descriptor(mine, 'r+'));
    peer.seal('write');
    peer.unmap();
    expect(get_seals(mine.fd) & F_SEAL.FUTURE_WRITE).not.toBe(0);
    expect(code(() => SharedMemory.adopt(mine.fd))).toBe('EPERM');
    mine.bytes[0] = 5;
    const held = await new Mutex(mine, 8).lock();
    held.unlock();
    expect(mine.bytes[0]).toBe(5);
  });
});

test('bytes may change between two reads; a copy does not', async () => {
  const mine = memory();
  const words = mine.view(Int32Array, 0, 16);
  await using peer = start(program('siege-peer'), ['flip'], { fds: [mine.fd] });
  await peer.line(/there/);
  await until('two reads to differ', () => {
    const copy = words.slice(0, 1);
    const first = copy[0];
    for (let i = 0; i < 100_000; i++) {
      if (words[0] === first) continue;
      expect(copy[0]).toBe(first);
      return true;
    }
    return false;
  });
});

describe('a lock', () => {
  test('whose owner is stopped: lock() ends by its timeout or its signal, and goes on later', async () => {
    const mine = memory();
    await using owner = start(program('mutex-holder'), ['lock', 'stay'], { fds: [mine.fd] });
    await owner.line(/held/);
    owner.child.kill('SIGSTOP');
    const mutex = new Mutex(mine, 0);
    expect(mutex.tryLock()).toBeUndefined();
    expect(code(() => mutex.lockSync(120))).toBe('ETIMEDOUT');
    expect(await outcome(mutex.lock({ timeout: 120 }))).toBe('ETIMEDOUT');
    const signal = AbortSignal.timeout(120);
    expect(await outcome(mutex.lock({ signal }))).toBe(signal.reason.code);
    await owner.kill();
    const held = await mutex.lock();
    expect(held.ownerDied).toBe(true);
    held.unlock();
  });

  test('that is overwritten at any time: calls end, with the lock or an error', async () => {
    const seen = await besieged('scribbled');
    expect(seen['free at the end']).toBe(1);
    const known = ['locked', 'busy', 'EPERM', 'EDEADLK', 'ETIMEDOUT', 'free at the end'];
    expect(others(seen, known)).toEqual([]);
  });

  test('of a dead owner is held for as long as somebody has locked its id', async () => {
    const mine = memory();
    const mutex = new Mutex(mine, 0);
    await using owner = start(program('mutex-holder'), ['lock', 'stay'], { fds: [mine.fd] });
    await owner.line(/held/);
    // MEMMAP_ID_BASE and MEMMAP_OWNER of native/include/memmap_sync.h.
    const id = 0x6d656d6d_0000_0000n + BigInt(mine.view(Int32Array, 0, 1)[0]! & 0x3fff_ffff);
    const args = [LOCKS, `${id}`, '1'];
    await using peer = start('python3', args, { fds: [descriptor(mine, 'r')] });
    await owner.kill();
    await peer.line(/locked/);
    expect(code(() => mutex.lockSync(120))).toBe('ETIMEDOUT');
    await peer.kill();
    const held = mutex.lockSync(10_000);
    expect(held.ownerDied).toBe(true);
    held.unlock();
  });

  test('of which somebody has locked every id: an error, no hang; other memory is as it was', async () => {
    expect(await besieged('lockedOut')).toEqual({ EAGAIN: 1, locked: 1, 'free at the end': 1 });
  });
});

test('notify() of somebody else wakes for nothing: locks exclude, and the event loop runs', async () => {
  const seen = await besieged('notified');
  expect(seen).toMatchObject({ 'counted 400': 1, 'the event loop ran': 1 });
  expect(seen['ok']).toBeGreaterThan(10);
  expect(others(seen, ['counted 400', 'the event loop ran', 'ok', 'timed-out'])).toEqual([]);
});

describe('a name of /dev/shm', () => {
  test.each([
    ['a FIFO', (path: string) => execFileSync('mkfifo', [path]), 'ENODEV'],
    ['a directory', (path: string) => execFileSync('mkdir', [path]), /E(ISDIR|NODEV)/],
  ])('behind which is %s: refused at once', (_, make, refusal) => {
    const name = `memmap-test-hostile-${process.pid}`;
    make(`/dev/shm/${name}`);
    onTestFinished(() => rmSync(`/dev/shm/${name}`, { recursive: true }));
    for (const call of [
      () => SharedMemory.open(name),
      () => SharedMemory.open(name, { access: 'read' }),
      () => SharedMemory.createNamed(name, 1),
    ]) {
      expect(code(call)).toMatch(refusal);
    }
  });
});
