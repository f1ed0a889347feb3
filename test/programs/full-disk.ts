// Writes to a small file system until it is full, and to a device that fails. Prints a line of JSON.
//
//   node --no-warnings full-disk CASE DIRECTORY LENGTH

import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { type Mapping, map } from 'memmap';
import { MS, msync, PAGE_SIZE } from 'memmap/posix';
import { rejected, thrown } from '../support/told.js';

const [name = '', directory = '', size = ''] = process.argv.slice(2);
const length = Number(size);
const path = join(directory, 'file.dat');

async function sparse(): Promise<unknown> {
  const mapping = map(path, { access: 'write', create: true, sparse: true, length });
  const first = mapping.view(Uint8Array, 0, PAGE_SIZE).fill(1);
  const before = await rejected(mapping.flush(0, PAGE_SIZE));
  const { bytes } = mapping;
  for (let at = 0; at < length; at += PAGE_SIZE) bytes[at] = 1;
  let lost = 0;
  for (const fault of mapping.faults) lost += fault.length;
  const cut = mapping.faults[0]?.offset ?? length;
  const file = readFileSync(path);
  let kept = 0;
  let behind = 0;
  for (let at = 0; at < length; at += PAGE_SIZE) {
    const faulted = mapping.faults.some((f) => f.offset <= at && at < f.offset + f.length);
    if (file[at] === 1) kept++;
    // What was written to a page that did not fault is in the file; what was not, is not.
    if ((file[at] === 1) === faulted) behind++;
  }
  return {
    before,
    sound: first[0] === 1 && bytes.every((byte, at) => byte === 1 || at % PAGE_SIZE !== 0),
    kinds: [...new Set(mapping.faults.map(({ kind }) => kind))],
    all: lost + kept * PAGE_SIZE === length && lost > 0 && kept > 0,
    behind,
    bounded: mapping.faults.length <= 64,
    errors: [
      await rejected(mapping.flush()),
      thrown(() => mapping.flushSync()),
      await rejected(mapping.flush(cut, 1)),
      await rejected(mapping[Symbol.asyncDispose]()),
    ],
    closed: mapping.closed,
  };
}

/** Of the file and the file system: nothing may be different after a call that was refused. */
function state(): unknown {
  const { bfree, ffree } = statfsSync(directory);
  if (!existsSync(path)) return [bfree, ffree];
  const { size: bytes, blocks, mtimeMs } = statSync(path);
  return [bfree, ffree, bytes, blocks, mtimeMs];
}
function unchanged(call: () => unknown): string {
  const before = JSON.stringify(state());
  const error = thrown(call);
  return JSON.stringify(state()) === before
    ? error
    : `${error}, but ${before} is ${JSON.stringify(state())}`;
}

async function allocated(): Promise<unknown> {
  const made = unchanged(() => map(path, { access: 'write', create: true, length }));
  const there = existsSync(path);
  writeFileSync(path, 'a few bytes');
  const extended = unchanged(() => map(path, { access: 'write', length }));
  const text = readFileSync(path, 'utf8');
  const mapping = map(path, { access: 'write', length: PAGE_SIZE, reserve: length });
  const { buffer } = mapping;
  const resized = unchanged(() => mapping.resize(length));
  const same = mapping.buffer === buffer && mapping.length === PAGE_SIZE;
  mapping.bytes[PAGE_SIZE - 1] = 9;
  mapping.resize(2 * PAGE_SIZE); // for which there is room
  const flush = await rejected(mapping.flush());
  const tail = [mapping.bytes[PAGE_SIZE - 1], readFileSync(path).length, mapping.faults.length];
  return { made, there, extended, text, resized, same, flush, tail };
}

async function failing(): Promise<unknown> {
  const mapping = map(path, { access: 'write', create: true, length });
  // Descriptors of the program's own: each is told of the failure once.
  const own = openSync(path, 'r+');
  const closed: Mapping = map(own, { access: 'write' });
  mapping.bytes.fill(1);
  const flushes = [mapping.flush(), mapping.flush(0, 1), mapping.flush()];
  const errors: string[] = [];
  for (const flush of flushes) errors.push(await rejected(flush));
  errors.push(
    thrown(() => mapping.flushSync()),
    thrown(() => mapping.flushSync(0, 1)),
  );
  errors.push(await rejected(mapping.flush([[0, 1]])));
  mapping.refresh(); // brings no page to the disk
  errors.push(await rejected(mapping.flush()));
  const fsync = thrown(() => fsyncSync(own));
  const other = [await rejected(closed.flush()), await rejected(closed.flush())];
  errors.push(await rejected(mapping[Symbol.asyncDispose]()));
  closed.unmap();
  closeSync(own);
  return { errors, fsync, other, closed: mapping.closed };
}

/** Two flushes of the same pages at once, on two threads: the kernel tells only one of them. */
async function together(): Promise<unknown> {
  const mapping = map(path, { access: 'write', create: true, length });
  mapping.bytes.fill(1);
  const flush = rejected(mapping.flush());
  await turn(); // now it runs
  const sync = thrown(() => mapping.flushSync());
  return [await flush, sync].sort();
}

/** msync(2) on the buffer of a mapping is told in the place of a flush. */
async function raw(): Promise<unknown> {
  const mapping = map(path, { access: 'write', create: true, length });
  mapping.bytes.fill(1);
  return [thrown(() => msync(mapping.buffer, MS.SYNC)), await rejected(mapping.flush())];
}

const cases: Record<string, () => Promise<unknown>> = {
  sparse,
  allocated,
  failing,
  together,
  raw,
};
console.log(JSON.stringify(await cases[name]?.()));
