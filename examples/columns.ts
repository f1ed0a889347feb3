// A table in a binary file, kept by column: all times, then all sensors, then all values. Who needs one column
// reads that part of the file alone. One window slides over it, so that a table of any size takes a few
// megabytes of this process; the progress goes to stderr.
//
//   node out/examples/columns.js make PATH [BYTES]       a table of about so many bytes, 1 GiB unless given
//   node out/examples/columns.js read PATH COLUMN        time, sensor or value
//
// BYTES of a real run: 1073741824, which is 67,108,864 rows. The tests use less.

import { statSync } from 'node:fs';
import { map } from 'memmap';

const WINDOW = 8 << 20; // a multiple of the page size of every machine
const COLUMNS = { time: Float64Array, sensor: Uint32Array, value: Float32Array };
type Name = keyof typeof COLUMNS;
const NAMES = Object.keys(COLUMNS) as Name[];

const ROW = NAMES.reduce((bytes, name) => bytes + COLUMNS[name].BYTES_PER_ELEMENT, 0);
const ROWS_AT_ONCE = 1024; // a table is a multiple of it long: so every column begins at a whole page

/** Where a column lies in a table of so many rows, in bytes. */
function place(column: Name, rows: number): { offset: number; bytes: number } {
  const before = NAMES.slice(0, NAMES.indexOf(column));
  const offset = before.reduce((sum, name) => sum + rows * COLUMNS[name].BYTES_PER_ELEMENT, 0);
  return { offset, bytes: rows * COLUMNS[column].BYTES_PER_ELEMENT };
}

/** One line that is written over and over on a terminal; otherwise a line for each tenth. */
function progress(what: string, done: number, total: number, before: number): void {
  const tenth = (bytes: number) => Math.floor((10 * bytes) / total);
  const text = `${what}: ${Math.floor((100 * done) / total)}%`;
  if (process.stderr.isTTY) process.stderr.write(`\r${text}${done === total ? '\n' : ''}`);
  else if (tenth(done) > tenth(before)) process.stderr.write(`${text}\n`);
}

/** Most of the table that was in this process's memory at once, in bytes. */
let most = 0;

/** The column, part by part. It is one array all the time, over one part of the file after the other. */
function* partsOf(path: string, column: Name, rows: number, access: 'read' | 'write') {
  const { offset, bytes } = place(column, rows);
  const length = Math.min(WINDOW, bytes);
  using window = map(path, { access, offset, length, advice: 'sequential' });
  const numbers = window.view(COLUMNS[column]);
  for (let at = 0; at < bytes; at += WINDOW) {
    window.slide(offset + at); // may show the beginning of the next column as well
    const part = Math.min(WINDOW, bytes - at);
    yield numbers.subarray(0, part / numbers.BYTES_PER_ELEMENT);
    most = Math.max(most, window.usage().rss);
    progress(column, at + part, bytes, at);
  }
}

/** What stands in a row: made up, and easy to check. */
const contents: Record<Name, (row: number) => number> = {
  time: (row) => row / 2,
  sensor: (row) => row % 7,
  value: (row) => (row % 1000) / 4,
};

function make(path: string, size: number): void {
  const rows = Math.floor(size / ROW / ROWS_AT_ONCE) * ROWS_AT_ONCE;
  if (rows < ROWS_AT_ONCE) throw new RangeError(`a table has ${ROW * ROWS_AT_ONCE} bytes at least`);
  // Its blocks are allocated here: a full disk is an error now, not in the middle of the work.
  map(path, { access: 'write', create: true, length: rows * ROW }).unmap();
  for (const column of NAMES) {
    const content = contents[column];
    let row = 0;
    for (const numbers of partsOf(path, column, rows, 'write')) {
      for (let i = 0; i < numbers.length; i++) numbers[i] = content(row++);
    }
  }
  console.log(`Rows: ${rows}`);
}

function read(path: string, column: Name): void {
  const rows = statSync(path).size / ROW;
  if (!Number.isInteger(rows / ROWS_AT_ONCE)) throw new Error(`${path} is no such table`);
  let [least, greatest, sum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (const numbers of partsOf(path, column, rows, 'read')) {
    for (let i = 0; i < numbers.length; i++) {
      const number = numbers[i]!;
      if (number < least) least = number;
      if (number > greatest) greatest = number;
      sum += number;
    }
  }
  console.log(`Rows: ${rows}`);
  console.log(`${column}: from ${least} to ${greatest}, mean ${sum / rows}`);
}

const [command, path = 'table.dat', argument] = process.argv.slice(2);
if (command === 'make') make(path, Number(argument ?? 2 ** 30));
else if (command === 'read' && NAMES.includes(argument as Name)) read(path, argument as Name);
else throw new Error('usage: columns.js make PATH [BYTES] | read PATH time|sensor|value');
console.log(`In memory at once: ${most} bytes at most`);
