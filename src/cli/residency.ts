// `memmap residency`: how much of each file is in the page cache, and where. Reads nothing of the files.
import { accessSync, constants, statSync } from 'node:fs';
import { map } from '../map.js';
import { PAGE_SIZE } from '../posix.js';
import { sizeText } from './text.js';

const BAR = 32;
// One byte for each page comes back: of a file of any size it is looked at in parts.
const PART_PAGES = 1 << 18;

interface Found {
  file: string;
  bytes: number;
  residentBytes: number;
  pages: number;
  residentPages: number;
  /** Of the bytes; 100 for a file without any. */
  percent: number;
  /** For each part of the file in turn, how much of it is resident: 0 to 1. */
  parts: number[];
}
interface Failed {
  file: string;
  error: { code: string; message: string };
}

/**
 * The kernel tells it to who owns the file or may write it, and lets everything look resident to others.
 */
function checkPermitted(file: string): void {
  const uid = process.geteuid?.();
  if (uid === 0 || statSync(file).uid === uid) return;
  accessSync(file, constants.W_OK);
}

function lookAt(file: string): Found {
  checkPermitted(file);
  using mapping = map(file);
  const { length: bytes } = mapping;
  const pages = Math.ceil(bytes / PAGE_SIZE);
  const cells = Array.from({ length: BAR }, (_, cell) => ({
    from: Math.floor((cell * pages) / BAR),
    to: Math.ceil(((cell + 1) * pages) / BAR),
    resident: 0,
  }));
  let residentPages = 0;
  let last = 0;
  for (let first = 0; first < pages; first += PART_PAGES) {
    const offset = first * PAGE_SIZE;
    const part = mapping.residency(offset, Math.min(PART_PAGES * PAGE_SIZE, bytes - offset));
    residentPages += part.resident;
    last = part.map.at(-1) ?? 0;
    for (const cell of cells) {
      const inCell = part.map.subarray(
        Math.max(0, cell.from - first),
        Math.max(0, cell.to - first),
      );
      for (const page of inCell) cell.resident += page;
    }
  }
  const residentBytes = residentPages * PAGE_SIZE - last * (pages * PAGE_SIZE - bytes);
  return {
    file,
    bytes,
    residentBytes,
    pages,
    residentPages,
    percent: bytes === 0 ? 100 : (100 * residentBytes) / bytes,
    parts: pages === 0 ? [] : cells.map(({ from, to, resident }) => resident / (to - from)),
  };
}

function line({ file, bytes, residentBytes, percent, parts }: Found): string {
  const bar = parts.map((part) => (part === 1 ? '#' : part > 0 ? '+' : '.')).join('');
  const share = `${percent.toFixed(1)}%`.padStart(6);
  return `[${bar.padEnd(BAR)}] ${share}  ${sizeText(residentBytes)} of ${sizeText(bytes)}  ${file}`;
}

/** @returns whether all of them could be looked at */
export function residency(files: readonly string[], json: boolean): boolean {
  const results = files.map((file): Found | Failed => {
    try {
      return lookAt(file);
    } catch (error) {
      const { code, message } = error as Error & { code: string };
      return { file, error: { code, message } };
    }
  });
  if (json) console.log(JSON.stringify(results, null, 2));
  for (const result of json ? [] : results) {
    if ('error' in result) console.error(`memmap: ${result.error.message}`);
    else console.log(line(result));
  }
  return results.every((result) => !('error' in result));
}
