// memmap/sync where the kernel has no futex_waitv(2), which is older than Linux 5.16, or where a container
// forbids it: each wait then has a thread. All is as elsewhere.

import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { native, program, run } from './support/program.js';

const FUTEX_WAITV = '449'; // on every machine

const results = (threads: boolean) => ({
  wait: ['not-equal', 'timed-out', 'timed-out'],
  'not equal': 'not-equal',
  'timed out': 'timed-out',
  far: 'TimeoutError',
  order: [0, 1, 2, 3, 4],
  threads,
  many: 'ok',
  aborted: 'aborted',
  stays: 'ok',
  deadlock: 'EDEADLK',
  late: 'ETIMEDOUT',
  queue: [0, 1, 2],
  'worker waits': 'ok',
  'worker waits without blocking': 'ok',
  'held by the worker': 'ETIMEDOUT',
  died: true,
  closed: 'ERR_MAPPING_CLOSED',
  'closed, anonymous': 'ERR_MAPPING_CLOSED',
});

/** `error`: what futex_waitv fails with. */
async function core(error?: 'ENOSYS' | 'EPERM') {
  const args = [program('sync-core')];
  const [command, all] =
    error === undefined
      ? [process.execPath, args]
      : [
          native('without_syscall'),
          [FUTEX_WAITV, String(constants.errno[error]), process.execPath, ...args],
        ];
  const { stdout, ...ended } = await run(command, all, { watchdog: 60_000 });
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  return JSON.parse(stdout) as {
    filtered: boolean;
    main: { order: number[] };
    inWorker: { order: number[] };
    left: object;
  };
}

test.each(['ENOSYS', 'EPERM'] as const)('futex_waitv fails with %s', async (error) => {
  const { filtered, main, inWorker, left } = await core(error);
  expect(filtered).toBe(true);
  // A thread each: that is how it is known that there was no futex_waitv. Each looks up from time to time and
  // then stands behind the others, so that any of them may be the next.
  for (const { order, ...rest } of [main, inWorker]) {
    expect({ ...rest, order: order.toSorted() }).toEqual(results(true));
  }
  expect(left).toMatchObject({ regions: 0, mappedBytes: 0, retiredBytes: 0, descriptors: 0 });
});

test('and with it: the same, in fewer threads', async () => {
  const { main, inWorker, left } = await core();
  expect(main).toEqual(results(false));
  expect(inWorker).toEqual(results(false));
  expect(left).toMatchObject({ regions: 0, mappedBytes: 0, retiredBytes: 0, descriptors: 0 });
});
