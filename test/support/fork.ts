// fork(2) for tests: types and a loader for native/test/fork_helper.cc.

import { closeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

interface Native {
  forkAdd(cells: Int32Array, index: number, times: number, atomic: boolean): number;
  forkWrite(bytes: Uint8Array, offset: number, byte: number): number;
  forkTouch(bytes: Uint8Array, offset: number): number;
  forkRead(bytes: Uint8Array, offset: number): { pid: number; go: number };
  waitPid(pid: number): { code: number | null; signal: number | null };
}

/** How a child ended: one of the two is null. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** The end of a child that did all that it was forked for. */
export const WELL: Ended = { code: 0, signal: null };

// From test/support and from out/test/support alike.
const root = import.meta.url.includes('/out/test/') ? '../../..' : '../..';
const path = fileURLToPath(
  new URL(`${root}/out/native-test/Release/fork_helper.node`, import.meta.url),
);
const native = createRequire(import.meta.url)(path) as Native;

function ended(pid: number): Ended {
  const { code, signal } = native.waitPid(pid);
  if (signal === null) return { code, signal };
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
  return { code, signal: name as NodeJS.Signals };
}

/** A child adds 1 to a cell so many times. Returns at once: call the result to wait for its end. */
export function forkAdd(
  cells: Int32Array,
  index: number,
  times: number,
  how: 'atomic' | 'plain',
): () => Ended {
  const pid = native.forkAdd(cells, index, times, how === 'atomic');
  return () => ended(pid);
}

/** A child writes one byte, reads it back (code 1 if it is another), and has ended. */
export function forkWrite(bytes: Uint8Array, offset: number, byte: number): Ended {
  return ended(native.forkWrite(bytes, offset, byte));
}

/** A child reads one byte and has ended. */
export function forkTouch(bytes: Uint8Array, offset: number): Ended {
  return ended(native.forkTouch(bytes, offset));
}

/**
 * A child is forked, then `meanwhile` runs here, and only then the child reads the byte. Returns
 * how it ended: its code is the byte that it saw.
 */
export function forkRead(bytes: Uint8Array, offset: number, meanwhile: () => void): Ended {
  const { pid, go } = native.forkRead(bytes, offset);
  try {
    meanwhile();
  } finally {
    closeSync(go); // the child takes the end of the pipe for its signal
  }
  return ended(pid);
}
