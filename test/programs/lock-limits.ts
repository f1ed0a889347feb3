// Locks memory as a user who may lock only so much, and prints what each call came to.
//
//   lock-limits UID PAGES     PAGES: how many it may lock, by the limit that its parent has set

import { anonymous } from 'memmap';
import { MAP, mlock, mmap, PAGE_SIZE, PROT } from 'memmap/posix';
import { lockedPages } from '../support/proc.js';

export interface Outcome {
  name: string;
  /** Of the error; null when there was none. */
  code: string | null;
  errno?: number;
  syscall?: string;
  /** Pages locked after it. */
  locked: number;
}

const [uid = '', pages = ''] = process.argv.slice(2);
const may = Number(pages);
process.setgroups?.([]);
process.setgid?.(Number(uid));
process.setuid?.(Number(uid));

const ANON = MAP.PRIVATE | MAP.ANONYMOUS;
const buffer = mmap((may + 4) * PAGE_SIZE, PROT.READ | PROT.WRITE, ANON);
const mapping = anonymous((may + 4) * PAGE_SIZE);

const calls: [string, () => unknown][] = [
  ['mlock', () => mlock(buffer)],
  ['Mapping.lock', () => mapping.lock()],
  ['MAP_LOCKED', () => mmap((may + 4) * PAGE_SIZE, PROT.READ, ANON | MAP.LOCKED)],
  ['anonymous', () => anonymous((may + 4) * PAGE_SIZE, { lock: true })],
  ['as many as it may', () => mapping.lock(0, may * PAGE_SIZE)],
  ['one more', () => mlock(new Uint8Array(buffer, PAGE_SIZE, 1))],
];
const outcomes = calls.map(([name, call]): Outcome => {
  try {
    call();
    return { name, code: null, locked: lockedPages() };
  } catch (error) {
    const { code = null, errno, syscall } = error as NodeJS.ErrnoException;
    return { name, code, errno: errno!, syscall: syscall!, locked: lockedPages() };
  }
});
console.log(JSON.stringify(outcomes));
