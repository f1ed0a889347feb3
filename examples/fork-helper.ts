// Node has no fork(2). The add-on of the tests has: native/test/fork_helper.cc.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

export interface ForkHelper {
  /** Forks; the child adds 1 to the cell so many times, in C, and ends. Returns its pid. */
  forkAdd(cells: Int32Array, index: number, times: number, atomic: boolean): number;
  /** Waits for the end of a child. */
  waitPid(pid: number): { code: number | null; signal: number | null };
}

const path = fileURLToPath(new URL('../native-test/Release/fork_helper.node', import.meta.url));

/** The helper, or undefined where the native test programs have not been built. */
export function forkHelper(): ForkHelper | undefined {
  return existsSync(path) ? (createRequire(import.meta.url)(path) as ForkHelper) : undefined;
}
