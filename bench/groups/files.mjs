// Getting at the bytes of a file: a mapping beside what reads it into buffers. The work on the bytes is the same.
import { Buffer } from 'node:buffer';
import { closeSync, createReadStream, openSync, readFileSync, readSync } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import mmapIo from '@riaskov/mmap-io';
import { map } from '../../lib/index.js';
import { MIB, makeFile, sumWords } from '../files.mjs';
import { figure, finish, times } from '../harness.mjs';

let kept = 0;
const wordsOf = (buffer, bytes) => new Int32Array(buffer.buffer, buffer.byteOffset, bytes / 4);

/** What one has of each way after it has opened, read, summed and closed the file. */
const ways = {
  'memmap, one buffer'(path) {
    const mapping = map(path);
    kept += sumWords(mapping.view(Int32Array));
    mapping.unmap();
  },
  'memmap, slide() of 1 MiB'(path, bytes) {
    const length = Math.min(bytes, MIB);
    const mapping = map(path, { length });
    const words = mapping.view(Int32Array);
    for (let at = 0; at < bytes; at += length) {
      mapping.slide(at);
      kept += sumWords(words);
    }
    mapping.unmap();
  },
  'fs.readFileSync'(path, bytes) {
    kept += sumWords(wordsOf(readFileSync(path), bytes));
  },
  'fs.readSync of 64 KiB'(path, bytes) {
    const buffer = Buffer.alloc(Math.min(bytes, 65536));
    const words = wordsOf(buffer, buffer.length);
    const fd = openSync(path, 'r');
    for (let at = 0; at < bytes; at += buffer.length) {
      readSync(fd, buffer, 0, buffer.length, at);
      kept += sumWords(words);
    }
    closeSync(fd);
  },
  async 'FileHandle.read of 256 KiB'(path, bytes) {
    const buffer = Buffer.alloc(Math.min(bytes, 262144));
    const words = wordsOf(buffer, buffer.length);
    const file = await openFile(path, 'r');
    for (let at = 0; at < bytes; at += buffer.length) {
      await file.read(buffer, 0, buffer.length, at);
      kept += sumWords(words);
    }
    await file.close();
  },
  async 'fs.createReadStream of 64 KiB'(path) {
    for await (const chunk of createReadStream(path))
      kept += sumWords(wordsOf(chunk, chunk.length));
  },
  '@riaskov/mmap-io'(path, bytes) {
    const fd = openSync(path, 'r');
    const buffer = mmapIo.map(bytes, mmapIo.PROT_READ, mmapIo.MAP_SHARED, fd, 0);
    kept += sumWords(wordsOf(buffer, bytes));
    closeSync(fd);
  },
};

const OURS = 'memmap, one buffer';
const sizes = [
  ['4 KiB', 4096, 2000],
  ['64 KiB', 65536, 1000],
  ['1 MiB', MIB, 100],
  ['16 MiB', 16 * MIB, 8],
  ['256 MiB', 256 * MIB, 1],
];
for (const [size, bytes, repeats] of sizes) {
  const path = makeFile(`whole-${bytes}.bin`, bytes);
  const count = times(repeats);
  const cases = Object.entries(ways).map(([name, way]) => ({
    name,
    than: name === OURS ? [] : OURS,
    call: async () => {
      const begin = performance.now();
      for (let i = 0; i < count; i++) await way(path, bytes);
      return ((performance.now() - begin) * 1e3) / count;
    },
  }));
  await figure(
    `whole ${size}`,
    { title: `Open a file of ${size}, add it up, close it`, unit: 'us', x: bytes },
    cases,
  );
}
if (Number.isNaN(kept)) throw new Error('never: it keeps the loops');
finish();
