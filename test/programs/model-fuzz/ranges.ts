// Calls on the pages of a range: of a Mapping, and of a buffer through memmap/posix.

import { MADV } from 'memmap/posix';
import type { Draw } from '../../support/draw.js';
import { type FileModel, NONE, P, READ, type RegionModel, WRITE } from './memory.js';
import type { OpenFile } from './state.js';
import type { Expected } from './world.js';

/** A range of the region's bytes; undefined where there are none. */
export interface Range {
  region: RegionModel | undefined;
  from: number;
  to: number;
}
export const pagesOf = ({ from, to }: Range): [first: number, end: number] => [
  Math.floor(from / P),
  Math.ceil(to / P),
];
const isEmpty = ({ region, from, to }: Range): boolean => region === undefined || from === to;

export const PROTECTIONS = { none: NONE, read: READ, write: WRITE } as const;

export function protect(range: Range, prot: number): Expected {
  return isEmpty(range) ? '' : (range.region as RegionModel).protect(...pagesOf(range), prot);
}
export function lock(range: Range): Expected {
  return isEmpty(range) ? '' : (range.region as RegionModel).lock(...pagesOf(range));
}
export function unlock(range: Range): void {
  if (!isEmpty(range)) range.region?.unlock(...pagesOf(range));
}

/** Advice of which the model knows what it does. */
const ALWAYS = ['normal', 'random', 'sequential', 'dontfork', 'dofork', 'dontdump', 'dodump'];
/** Advice that may be refused, as kernel and file system please, and changes no byte. */
const WISHES = ['willneed', 'mergeable', 'unmergeable', 'hugepage', 'nohugepage', 'populate_read'];
const REFUSALS = ['', 'EINVAL', 'EFAULT', 'ENOMEM', 'EAGAIN', 'EBUSY', 'EBADF', 'EACCES', 'EIO'];

export function advise(draw: Draw, range: Range, open: OpenFile | undefined): [string, Expected] {
  const kind = draw.below(10);
  if (kind < 3) return [draw.of(ALWAYS), ''];
  if (kind < 5) return [draw.of(WISHES), isEmpty(range) ? '' : REFUSALS];
  if (isEmpty(range)) return ['dontneed', ''];
  const region = range.region as RegionModel;
  const [from, to] = pagesOf(range);
  const pages = region.pages.slice(from, to);
  if (kind === 5) return ['cold', pages.some(({ locked }) => locked) ? 'EINVAL' : ''];
  const writable = pages.every(({ prot }) => prot === WRITE) && region.mayWrite;
  const sealed = ((open?.seals ?? 0) & ~1) !== 0;
  if (kind === 6 && writable && !sealed && !region.file?.locks && isRemovable(region.file)) {
    return ['remove', region.remove(from, to)];
  }
  // Freed memory is cleared when the kernel likes; of a file there is none.
  if (kind === 7 && region.file !== undefined && !region.patched(from, to))
    return ['free', 'EINVAL'];
  return ['dontneed', region.forget(from, to)];
}
const isRemovable = (file: FileModel | undefined): boolean => file !== undefined;

export const adviceNumber = (word: string): number =>
  (MADV as unknown as Record<string, number>)[word.toUpperCase()] as number;
