// Whether a fault is survived in this thread, now.

import { truncateSync, writeFileSync } from 'node:fs';
import { map } from 'memmap';

/** Cuts a file under a mapping and reads there. What came of it: [a zero, the kinds of the faults]. */
export function survivesCut(path: string): [byte: number | undefined, kinds: string[]] {
  writeFileSync(path, new Uint8Array(8192).fill(7));
  using mapping = map(path);
  const { bytes } = mapping;
  truncateSync(path, 0);
  return [bytes[5000], mapping.faults.map(({ kind }) => kind)];
}
