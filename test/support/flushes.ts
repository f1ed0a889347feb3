import type { Mapping } from 'memmap';

/** Every way to flush a range of a mapping, at least. */
export const FLUSHES: ((mapping: Mapping, offset: number, length: number) => Promise<void>)[] = [
  (mapping, offset, length) => mapping.flush(offset, length),
  (mapping, offset, length) => mapping.flush([[offset, length]]),
  (mapping) => mapping.flush(),
  async (mapping, offset, length) => mapping.flushSync(offset, length),
  async (mapping) => mapping.flushSync(),
];
