// waitAsync() with an AbortSignal: its reason, and what becomes of a wake that the wait had got.

import { type Mapping, SharedMemory } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { notify, waitAsync } from 'memmap/sync';
import { expect, onTestFinished, test } from 'vitest';
import { areasOf, blockedOn, maps } from './support/proc.js';
import { program, start } from './support/program.js';
import { asleep, outcome, wakeOne } from './support/sync.js';
import { until } from './support/until.js';

function unmapped<M extends Mapping>(mapping: M): M {
  onTestFinished(() => mapping.unmap());
  return mapping;
}
const memory = (length = PAGE_SIZE): SharedMemory => unmapped(SharedMemory.create(length));
const cells = (length?: number): Int32Array<ArrayBuffer> => new Int32Array(memory(length).buffer);

test('aborted before: its reason, and no wait', async () => {
  const cell = cells();
  const reason = new Error('no more');
  const signal = AbortSignal.abort(reason);
  await expect(waitAsync(cell, 0, 0, { signal })).rejects.toBe(reason);
  // Even where there would have been no wait.
  await expect(waitAsync(cell, 0, 1, { signal })).rejects.toBe(reason);
  expect(notify(cell, 0)).toBe(0);
});

test.each([new Error('a reason'), 'a word', 0, null])('aborted meanwhile: %s', async (reason) => {
  const cell = cells();
  const controller = new AbortController();
  const waiting = waitAsync(cell, 0, 0, { signal: controller.signal });
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await until('nobody sleeps there', () => notify(cell, 0) === 0);
});

test('AbortSignal.timeout(), and a default reason', async () => {
  const cell = cells();
  await expect(waitAsync(cell, 0, 0, { signal: AbortSignal.timeout(5) })).rejects.toMatchObject({
    name: 'TimeoutError',
  });
  const controller = new AbortController();
  const waiting = waitAsync(cell, 0, 0, { signal: controller.signal });
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
});

test('one signal for a thousand waits, with no warning of a leak', async () => {
  const warnings: unknown[] = [];
  const warn = (warning: Error): void => {
    warnings.push(warning.name);
  };
  process.on('warning', warn);
  onTestFinished(() => void process.off('warning', warn));
  const cell = cells();
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = Array.from({ length: 1000 }, (_, i) => waitAsync(cell, i, 0, { signal }));
  controller.abort('all');
  const ends = await Promise.allSettled(waiting);
  expect(new Set(ends.map((end) => (end as PromiseRejectedResult).reason))).toEqual(
    new Set(['all']),
  );
  expect(warnings).toEqual([]);
});

test('after the end it does nothing', async () => {
  const cell = cells();
  const controller = new AbortController();
  const waiting = waitAsync(cell, 0, 0, { signal: controller.signal });
  expect(notify(cell, 0, 1)).toBe(1);
  expect(await waiting).toBe('ok');
  controller.abort();
  expect(await waiting).toBe('ok');
});

test('just after a notify() it comes in time, or is too late: the wait has one end', async () => {
  for (let round = 0; round < 200; round++) {
    const cell = cells();
    const controller = new AbortController();
    const waiting = outcome(waitAsync(cell, 0, 0, { signal: controller.signal }));
    if (round % 2) await until('it sleeps', () => asleep() === 1);
    expect(notify(cell, 0, 1)).toBe(1);
    controller.abort('enough');
    expect(['ok', 'enough']).toContain(await waiting);
  }
});

test('a wake that an aborted wait has got goes to another', async () => {
  const one = memory();
  const cell = new Int32Array(one.buffer);
  // From another mapping, so that the kernel chooses whom it wakes.
  const elsewhere = new Int32Array(unmapped(SharedMemory.adopt(one.fd)).buffer);
  for (let round = 0; round < 100; round++) {
    const controller = new AbortController();
    const first = outcome(waitAsync(cell, 0, 0, { signal: controller.signal }));
    const second = waitAsync(cell, 0, 0);
    await until('both sleep', () => asleep() === 2);
    expect(notify(elsewhere, 0, 1)).toBe(1);
    controller.abort();
    // The first may have been told in time. Otherwise the wake is the second's, whoever had it at first.
    if ((await first) === 'ok') await wakeOne(cell);
    expect(await second).toBe('ok');
  }
});

test('... in another process as well', async () => {
  const name = 'wait-once';
  const one = unmapped(SharedMemory.create(PAGE_SIZE, { name }));
  const cell = new Int32Array(one.buffer);
  const elsewhere = new Int32Array(unmapped(SharedMemory.adopt(one.fd)).buffer);
  await using child = start(program('wait-once'), [], { fds: [one.fd] });
  await child.line(/^there$/);
  const word = areasOf(`/memfd:${name}`, maps(child.pid))[0]?.start ?? 0;
  await until('the child sleeps', () => blockedOn(word, child.pid));
  for (let passed = false; !passed; ) {
    const controller = new AbortController();
    const first = outcome(waitAsync(cell, 0, 0, { signal: controller.signal }));
    await until('this process sleeps', () => asleep() === 1);
    await until('somebody is woken', () => notify(elsewhere, 0, 1) === 1);
    controller.abort();
    passed = (await first) !== 'ok';
  }
  expect(await child.ended).toMatchObject({ code: 0, stdout: 'there\nok\n' });
});
