// A store of records of 64 bytes in one file: appended, committed, found by number. What commit() has resolved
// for survives a kill, and a power cut, at any moment; what was under way is gone as a whole.
//
//   node out/examples/record-store.js append PATH [COUNT] [BATCH]   so many more records, committed by batches
//   node out/examples/record-store.js check PATH...                 recovers each, and reads every record
//
// A real run: COUNT 1000000, BATCH 1000. One program at a time may write.
//
//   byte 0      512        1024       4096
//   +-----------+----------+----------+---------+---------+-----
//   | magic     | commit A | commit B | record  | record  | ...
//   +-----------+----------+----------+---------+---------+-----
//
// A commit says how many records there are, and has a checksum. Two of them take turns, a sector each: one that
// is torn, half written when the power went, leaves the one before. The kernel writes pages in any order, so
// the order is made by flushes: first the records, and when they are on the disk the commit.

import { statSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { type Mapping, map } from 'memmap';

const MAGIC = 0x4d4d_5354_4f52_4531n;
const COMMITS = [512, 1024] as const;
const COMMIT_BYTES = 20; // generation, count, checksum of both
const HEADER = 4096;
const RECORD = 64; // checksum, number, payload
const PAYLOAD = RECORD - 12;
const RESERVE = 2 ** 30; // addresses for growth in place; beyond it resize() moves the mapping

interface Commit {
  generation: bigint;
  count: bigint;
}

class RecordStore implements AsyncDisposable {
  readonly #mapping: Mapping;
  #last: Commit;
  /** Records, with those that are not committed yet. */
  #count: number;

  private constructor(mapping: Mapping, last: Commit) {
    this.#mapping = mapping;
    this.#last = last;
    this.#count = Number(last.count);
  }

  /** Opens a store, or makes one; and recovers it, which is no more than to find the last whole commit. */
  static async open(path: string): Promise<RecordStore> {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    const length = Math.max(size, 2 * HEADER);
    const reserve = Math.max(length, RESERVE);
    const mapping = map(path, { access: 'write', create: true, length, reserve });
    const header = mapping.view(DataView, 0, HEADER);
    if (header.getBigUint64(0) === 0n) {
      // New, or its maker did not get so far. The magic comes when all else is on the disk: with it a store
      // without a whole commit is one that was spoilt.
      RecordStore.#write(header, { generation: 0n, count: 0n });
      await mapping.flush();
      header.setBigUint64(0, MAGIC);
      await mapping.flush(0, HEADER);
    }
    const last = header.getBigUint64(0) === MAGIC ? RecordStore.#lastOf(header) : undefined;
    if (last === undefined || HEADER + Number(last.count) * RECORD > length) {
      mapping.unmap();
      throw new Error(`${path} is no store, or it was spoilt`);
    }
    return new RecordStore(mapping, last);
  }

  static #sum(view: DataView, at: number, bytes: number): number {
    return crc32(new Uint8Array(view.buffer, view.byteOffset + at, bytes));
  }

  static #write(header: DataView, { generation, count }: Commit): number {
    const at = COMMITS[Number(generation % 2n)]!;
    header.setBigUint64(at, generation);
    header.setBigUint64(at + 8, count);
    header.setUint32(at + 16, RecordStore.#sum(header, at, 16));
    return at;
  }

  static #lastOf(header: DataView): Commit | undefined {
    const whole = COMMITS.filter(
      (at) => header.getUint32(at + 16) === RecordStore.#sum(header, at, 16),
    );
    return whole
      .map((at) => ({ generation: header.getBigUint64(at), count: header.getBigUint64(at + 8) }))
      .sort((a, b) => Number(a.generation - b.generation))
      .at(-1);
  }

  get count(): number {
    return this.#count;
  }

  /** Not there after a kill, until commit() has resolved. */
  append(payload: Uint8Array): void {
    if (payload.length > PAYLOAD) throw new RangeError(`at most ${PAYLOAD} bytes`);
    const at = HEADER + this.#count * RECORD;
    if (at + RECORD > this.#mapping.length) this.#mapping.resize(2 * this.#mapping.length);
    const bytes = this.#mapping.bytes;
    bytes.fill(0, at, at + RECORD);
    bytes.writeBigUInt64BE(BigInt(this.#count), at + 4);
    bytes.set(payload, at + 12);
    bytes.writeUInt32BE(crc32(bytes.subarray(at + 4, at + RECORD)), at);
    this.#count++;
  }

  /** Resolves when all that was appended is on the disk, to stay. */
  async commit(): Promise<void> {
    const { generation, count } = this.#last;
    const next = { generation: generation + 1n, count: BigInt(this.#count) };
    const from = HEADER + Number(count) * RECORD;
    await this.#mapping.flush(from, HEADER + Number(next.count) * RECORD - from);
    const at = RecordStore.#write(this.#mapping.view(DataView, 0, HEADER), next);
    await this.#mapping.flush(at, COMMIT_BYTES);
    this.#last = next;
  }

  /** A copy of a record's payload. @throws Error when it is not what was appended. */
  get(index: number): Buffer {
    if (!(index >= 0 && index < this.#count)) throw new RangeError(`no record ${index}`);
    const at = HEADER + index * RECORD;
    const record = Buffer.from(this.#mapping.bytes.subarray(at, at + RECORD));
    const isWhole = record.readUInt32BE(0) === crc32(record.subarray(4));
    if (!isWhole || record.readBigUInt64BE(4) !== BigInt(index)) {
      throw new Error(`record ${index} was spoilt`);
    }
    return record.subarray(12);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#mapping.unmap(); // what was not committed stays uncommitted
  }
}

/** What this program keeps: the number of the record, again and again. */
const content = (index: number) => Buffer.from(`${index},`.repeat(PAYLOAD).slice(0, PAYLOAD));

async function append(path: string, count: number, batch: number): Promise<void> {
  await using store = await RecordStore.open(path);
  const end = store.count + count;
  while (store.count < end) {
    for (let i = 0; i < batch && store.count < end; i++) store.append(content(store.count));
    await store.commit();
    console.log(`committed ${store.count}`);
  }
}

async function check(path: string): Promise<void> {
  await using store = await RecordStore.open(path);
  for (let i = 0; i < store.count; i++) {
    if (!store.get(i).equals(content(i))) throw new Error(`record ${i} is not what was stored`);
  }
  console.log(`${store.count} records, all whole`);
}

const [command, path, ...rest] = process.argv.slice(2);
if (command === 'append' && path !== undefined) {
  const [count = 1_000_000, batch = 1000] = rest.map(Number);
  await append(path, count, batch);
} else if (command === 'check' && path !== undefined) {
  for (const each of [path, ...rest]) {
    await check(each).catch(({ message }: Error) => {
      console.log(message);
      process.exitCode = 1;
    });
  }
} else {
  throw new Error('usage: record-store.js append PATH [COUNT] [BATCH] | check PATH...');
}
