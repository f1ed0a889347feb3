// Descriptors, mappings of memmap/posix, and their errors, for as long as a test takes.

import { closeSync, openSync } from 'node:fs';
import { mmap, munmap } from 'memmap/posix';
import { onTestFinished } from 'vitest';

/** A failed call as `shape()` of bad.ts shows it. */
export const failure = (code: string, errno: number, syscall: string) => ({
  name: 'Error',
  code,
  errno: -errno,
  syscall,
});

/** A descriptor that is closed when the test is done. */
export function openFd(path: string, flags: string | number = 'r+'): number {
  const fd = openSync(path, flags);
  onTestFinished(() => closeSync(fd));
  return fd;
}

/** mmap(), until the test is done. */
export function mapped(...args: Parameters<typeof mmap>): ArrayBuffer {
  const buffer = mmap(...args);
  onTestFinished(() => {
    if (buffer.byteLength > 0) munmap(buffer);
  });
  return buffer;
}
