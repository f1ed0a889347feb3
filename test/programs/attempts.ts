// Maps files as it is told, under limits and rights that its parent has chosen, and prints for each
// what came of it. With a user id it becomes that user first.
//
//   attempts JSON     { uid?, exhaust?, fds?: [path, flags][], attempts: [path or index of fds, options][] }

import { closeSync, openSync, readdirSync } from 'node:fs';
import { type MapOptions, map, stats } from 'memmap';

export interface Order {
  uid?: number;
  /** Every descriptor is used up first. */
  exhaust?: boolean;
  /** Opened before the rights are dropped. */
  fds?: readonly (readonly [path: string, flags: string])[];
  /** A path, or the number of one of `fds`. */
  attempts: readonly (readonly [file: string | number, options: MapOptions])[];
}
export type Outcome =
  | { length: number }
  | { name: string; code: string; errno?: number; syscall?: string; path?: string };

const order = JSON.parse(process.argv[2] ?? '') as Order;
const fds = (order.fds ?? []).map(([path, flags]) => openSync(path, flags));
if (order.uid !== undefined) {
  process.setgroups?.([]);
  process.setgid?.(order.uid);
  process.setuid?.(order.uid);
}

const open = () => readdirSync('/proc/self/fd').length;
const before = open();
const used: number[] = [];
try {
  while (order.exhaust) used.push(openSync('/dev/null', 'r'));
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
}
const outcomes = order.attempts.map(([file, options]): Outcome => {
  try {
    const mapping = map(typeof file === 'number' ? (fds[file] ?? -1) : file, options);
    const { length } = mapping;
    mapping.unmap();
    return { length };
  } catch (error) {
    const { name, code, errno, syscall, path } = error as Extract<Outcome, { name: string }>;
    return JSON.parse(JSON.stringify({ name, code, errno, syscall, path })) as Outcome;
  }
});
for (const fd of used) closeSync(fd);
console.log(JSON.stringify({ outcomes, opened: open() - before, stats: stats() }));
