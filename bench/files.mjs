// The files that are read, on the disk that the repository is on, and what is done to their bytes: the same for
// every way of getting at them.
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const MIB = 1 << 20;
export const PAGE = 4096;
const parent = fileURLToPath(new URL('../out/bench/', import.meta.url));
mkdirSync(parent, { recursive: true });
/** Gone when the process ends. */
export const folder = mkdtempSync(join(parent, 'files-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

// The same in native/test/map_bench.c.
const next = (state) => (Math.imul(state, 1664525) + 1013904223) >>> 0;
/** Which of `mask + 1` comes after `state`: its low bits repeat too soon. */
const place = (state, mask) => (state >>> 7) & mask;

/**
 * A file of pseudo-random numbers, as doubles, in the page cache. What is written at once lies there in one large
 * folio, where the file system has them.
 */
export function makeFile(name, bytes, atOnce = MIB) {
  const path = join(folder, name);
  const fd = openSync(path, 'w');
  const chunk = new Float64Array(Math.min(bytes, atOnce) / 8);
  let state = 1;
  for (let at = 0; at < bytes; at += chunk.byteLength) {
    for (let i = 0; i < chunk.length; i++) {
      state = next(state);
      chunk[i] = state;
    }
    writeSync(fd, chunk, 0, Math.min(chunk.byteLength, bytes - at));
  }
  closeSync(fd);
  return path;
}

/** A file of which no byte was written, and which takes no room. */
export function makeSparse(name, bytes) {
  const path = join(folder, name);
  const fd = openSync(path, 'w');
  ftruncateSync(fd, bytes);
  closeSync(fd);
  return path;
}

export function sumWords(words) {
  let sum = 0;
  for (let i = 0; i < words.length; i++) sum = (sum + words[i]) | 0;
  return sum;
}

export function sumDoubles(doubles) {
  let sum = 0;
  for (let i = 0; i < doubles.length; i++) sum += doubles[i];
  return sum;
}

/** Of a power of two of words. */
export function sumAtRandom(words, count) {
  const mask = words.length - 1;
  let state = 1;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    state = next(state);
    sum = (sum + words[place(state, mask)]) | 0;
  }
  return sum;
}

/** `count` numbers of records of `total`, a power of two, in an order that nothing foresees. */
export function recordNumbers(total, count) {
  const numbers = new Uint32Array(count);
  let state = 1;
  for (let i = 0; i < count; i++) {
    state = next(state);
    numbers[i] = place(state, total - 1);
  }
  return numbers;
}
