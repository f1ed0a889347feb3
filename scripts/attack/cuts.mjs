// What a power cut leaves: the log of native/test/block_log.c, and images built from it.
import { closeSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';

const WRITE = 1;
const FLUSH = 2;
const MARK = 3;
const HEADER = 16;
const SECTOR = 512;
const BLOCK = 4096;
const CHUNK = 1 << 16;

/** The entries of a log, as { write: offset, bytes }, { flush: true }, { mark: object } or { failed: kind }. */
export function readLog(path) {
  const log = readFileSync(path);
  const entries = [];
  for (let at = 0; at + HEADER <= log.length; ) {
    const kind = log.readUInt32LE(at);
    const length = log.readUInt32LE(at + 4);
    const offset = Number(log.readBigUInt64LE(at + 8));
    at += HEADER;
    if (kind === WRITE || kind === MARK) {
      const bytes = log.subarray(at, at + length);
      entries.push(kind === WRITE ? { write: offset, bytes } : { mark: JSON.parse(bytes) });
      at += length;
    } else {
      entries.push(kind === FLUSH ? { flush: true } : { failed: kind });
    }
  }
  return entries;
}

/** Counts the marks of a log that is being written. */
export class MarkCount {
  marks = 0;
  #fd;
  #at = 0;
  #header = Buffer.alloc(HEADER);

  constructor(path) {
    this.#fd = openSync(path, 'r');
  }

  look() {
    while (readSync(this.#fd, this.#header, 0, HEADER, this.#at) === HEADER) {
      const kind = this.#header.readUInt32LE(0);
      if (kind === MARK) this.marks++;
      this.#at += HEADER;
      if (kind === WRITE || kind === MARK) this.#at += this.#header.readUInt32LE(4);
    }
    return this.marks;
  }

  close() {
    closeSync(this.#fd);
  }
}

/**
 * The disk after cuts at ever later entries of a log. Everything that was written before the last flush
 * before the cut is there; of each later write, all of it, nothing, or any of its sectors.
 */
export class CutDisk {
  #entries;
  #size;
  #random;
  #torn;
  #kept;
  /** All up to the last flush before the cut, as pieces of the disk that were written to. */
  #durable = new Map();
  #applied = 0;
  #flushed = 0;
  #seen = 0;

  /** `torn`: the sizes of what is written as a whole or not at all; `kept`: how much of it is. One each for a cut. */
  constructor(entries, size, random, torn = [SECTOR, BLOCK], kept = [0, 0.1, 0.5, 0.9, 1]) {
    this.#entries = entries;
    this.#size = size;
    this.#random = random;
    this.#torn = torn;
    this.#kept = kept;
  }

  /** Writes to `path` a disk whose power was cut before entry `cut`. Returns how much was left to chance. */
  build(cut, path) {
    for (; this.#seen < cut; this.#seen++) {
      if (this.#entries[this.#seen].flush) this.#flushed = this.#seen;
    }
    for (; this.#applied < this.#flushed; this.#applied++) {
      const { write, bytes } = this.#entries[this.#applied];
      if (bytes) this.#keep(write, bytes);
    }
    const fd = openSync(path, 'w', 0o600);
    ftruncateSync(fd, this.#size);
    for (const [at, chunk] of this.#durable) writeSync(fd, chunk, 0, CHUNK, at * CHUNK);
    // For each cut its own: else a long row of writes would never be there as a whole, or not at all.
    const kept = this.#pick(this.#kept);
    const torn = this.#pick([0, 0.3, 1]);
    const unit = this.#pick(this.#torn);
    let undecided = 0;
    for (let i = this.#flushed; i < cut; i++) {
      const { write, bytes } = this.#entries[i];
      if (!bytes) continue;
      undecided++;
      if (this.#random() >= torn) {
        if (this.#random() < kept) writeSync(fd, bytes, 0, bytes.length, write);
        continue;
      }
      for (let at = 0; at < bytes.length; ) {
        // The superblock of ext4 lies across two sectors with one checksum: it relies on whole blocks.
        const end = Math.min(at + (write + at < BLOCK ? BLOCK : unit), bytes.length);
        if (this.#random() < kept) writeSync(fd, bytes, at, end - at, write + at);
        at = end;
      }
    }
    closeSync(fd);
    return undecided;
  }

  #pick(all) {
    return all[Math.floor(this.#random() * all.length)];
  }

  #keep(offset, bytes) {
    for (let at = 0; at < bytes.length; ) {
      const index = Math.floor((offset + at) / CHUNK);
      const into = (offset + at) % CHUNK;
      const length = Math.min(CHUNK - into, bytes.length - at);
      let chunk = this.#durable.get(index);
      if (!chunk) {
        chunk = Buffer.alloc(CHUNK);
        this.#durable.set(index, chunk);
      }
      bytes.copy(chunk, into, at, at + length);
      at += length;
    }
  }
}
