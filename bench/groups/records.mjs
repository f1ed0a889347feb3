// Point reads and writes of fixed-size records by their number: a mapping beside files and two databases. The
// databases do more (keys, transactions, isolation); for records found by number the question is what that costs.
import { Buffer } from 'node:buffer';
import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { join } from 'node:path';
import mmapIo from '@riaskov/mmap-io';
import Database from 'better-sqlite3';
import { open as openLmdb } from 'lmdb';
import { map } from '../../lib/index.js';
import { folder, makeFile, PAGE, recordNumbers } from '../files.mjs';
import { figure, finish, nanoseconds, nanosecondsOf, times } from '../harness.mjs';
import { mapBench } from '../in-c.mjs';

const BYTES = 128;
const RECORDS = 1 << 19;
const path = makeFile('records.bin', RECORDS * BYTES);
const c = mapBench();
let kept = 0;

const mapping = map(path);
const bytes = mapping.bytes;
const fd = openSync(path, 'r');
const handle = await openFile(path, 'r');
const theirFd = openSync(path, 'r');
const theirs = mmapIo.map(RECORDS * BYTES, mmapIo.PROT_READ, mmapIo.MAP_SHARED, theirFd, 0);

const sqlite = new Database(join(folder, 'records.sqlite'));
sqlite.pragma('journal_mode = WAL');
sqlite.pragma(`mmap_size = ${2 * RECORDS * BYTES}`);
sqlite.exec('create table records (id integer primary key, content blob not null)');
const insert = sqlite.prepare('insert into records values (?, ?)');
sqlite.transaction(() => {
  for (let i = 0; i < RECORDS; i++) insert.run(i, bytes.subarray(i * BYTES, (i + 1) * BYTES));
})();
const select = sqlite.prepare('select content from records where id = ?').pluck();

const lmdb = openLmdb({
  path: join(folder, 'records.lmdb'),
  keyEncoding: 'uint32',
  encoding: 'binary',
  compression: false,
});
await lmdb.transaction(() => {
  for (let i = 0; i < RECORDS; i++) lmdb.put(i, bytes.subarray(i * BYTES, (i + 1) * BYTES));
});

const record = Buffer.alloc(BYTES);
const buffers = Array.from({ length: 16 }, () => Buffer.alloc(BYTES));
const many = times(200_000, 100);
const some = times(20_000, 100);
const numbers = recordNumbers(RECORDS, many);
const reading = (count, read) => ({
  call: () =>
    nanoseconds(count, () => {
      for (let i = 0; i < count; i++) kept += read(numbers[i]);
    }),
});
const durably = 'memmap, flushSync of its page';
const copy = 'memmap, copied out';
const inPlace = 'memmap, in place';

await figure(
  'records',
  { title: `Read one of ${RECORDS} records of ${BYTES} bytes`, unit: 'ns a record' },
  [
    { name: 'C, copied out', call: () => c.ask('records', path, many, BYTES) },
    {
      name: inPlace,
      ...reading(many, (n) => bytes.readUInt32LE(n * BYTES) + bytes[n * BYTES + BYTES - 1]),
    },
    {
      name: copy,
      than: 'C, copied out',
      ...reading(many, (n) => {
        bytes.copy(record, 0, n * BYTES, (n + 1) * BYTES);
        return record[BYTES - 1];
      }),
    },
    {
      name: '@riaskov/mmap-io, copied out',
      than: copy,
      ...reading(many, (n) => {
        theirs.copy(record, 0, n * BYTES, (n + 1) * BYTES);
        return record[BYTES - 1];
      }),
    },
    {
      name: 'fs.readSync',
      than: copy,
      ...reading(some, (n) => {
        readSync(fd, record, 0, BYTES, n * BYTES);
        return record[BYTES - 1];
      }),
    },
    {
      name: 'FileHandle.read, 16 at a time',
      than: copy,
      call: () =>
        nanosecondsOf(Math.ceil(some / 4), async (count) => {
          let at = 0;
          await Promise.all(
            buffers.map(async (buffer) => {
              while (at < count) {
                await handle.read(buffer, 0, BYTES, numbers[at++] * BYTES);
                kept += buffer[BYTES - 1];
              }
            }),
          );
        }),
    },
    { name: 'better-sqlite3', than: copy, ...reading(some, (n) => select.get(n)[BYTES - 1]) },
    { name: 'lmdb', than: copy, ...reading(some, (n) => lmdb.getBinaryFast(n)[BYTES - 1]) },
  ],
);
closeSync(fd);
await handle.close();

// Changing a record so that it is on the disk when the call returns. Through a mapping ext4 writes the whole folio
// that the page lies in, so the file is written a page at a time, as a store of records grows; and once as it should
// not be.
const writes = times(100, 4);
const files = [makeFile('small-folios.bin', RECORDS * BYTES, PAGE), path];
const [small, large] = files.map((file) => map(file, { access: 'write', advice: 'random' }));
const writeFd = openSync(files[0], 'r+');
const update = sqlite.prepare('update records set content = ? where id = ?');
sqlite.pragma('synchronous = full');
const writing = (write) => ({
  call: () =>
    nanoseconds(writes, () => {
      for (let i = 0; i < writes; i++) {
        record[i % BYTES]++;
        write(numbers[i]);
      }
    }),
});
const flushing = (to) => {
  const content = to.bytes;
  return writing((n) => {
    content.set(record, n * BYTES);
    to.flushSync((n * BYTES) & ~(PAGE - 1), PAGE);
  });
};
await figure(
  'durable',
  { title: `Change a record of ${BYTES} bytes durably`, unit: 'ns a record' },
  [
    { name: durably, ...flushing(small) },
    { name: 'memmap, in a folio of 1 MiB', than: durably, ...flushing(large) },
    {
      name: 'fs.writeSync, fdatasyncSync',
      than: durably,
      ...writing((n) => {
        writeSync(writeFd, record, 0, BYTES, n * BYTES);
        fdatasyncSync(writeFd);
      }),
    },
    {
      name: 'better-sqlite3, WAL, synchronous=full',
      than: durably,
      ...writing((n) => update.run(record, n)),
    },
    { name: 'lmdb, putSync', than: durably, ...writing((n) => lmdb.putSync(n, record)) },
  ],
);
closeSync(writeFd);
closeSync(theirFd);
sqlite.close();
await lmdb.close();
small.unmap();
large.unmap();
mapping.unmap();
if (Number.isNaN(kept)) throw new Error('never: it keeps the loops');
c.end();
finish();
