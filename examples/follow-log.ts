// Follows a log that another program writes, as `tail -F` does: prints each line once it is whole. The file is
// mapped with room to grow, so that a look for more is two system calls, and nothing is read that is not new.
//
//   node out/examples/follow-log.js PATH [RESERVE]
//
// RESERVE is how many bytes of the file are seen through one mapping: addresses, not memory. 1 GiB unless
// given, a multiple of the page size. A log of any size is followed: at its end comes the next mapping.
//
// What happens to logs:
//   truncated in place (logrotate's copytruncate)   it begins anew. The guard survives a cut at any moment.
//   renamed, and a new one made (logrotate)         the old one is read to its end, then the new one
//   removed                                         the same, once there is a new one
// As with any follower, a file that is cut and has grown beyond the old length between two looks cannot be
// told from one that has only grown.

import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Mapping, map } from 'memmap';

const LOOK_MS = 50;
const [path, reserveText = String(2 ** 30)] = process.argv.slice(2);
if (path === undefined) throw new Error('usage: follow-log.js PATH [RESERVE]');
const reserve = Number(reserveText);

const NEWLINE = 0x0a;
const notice = (text: string) => process.stderr.write(`(${text})\n`);

/** A log that is open: a mapping at a time, from some place on. */
class Log {
  readonly #fd: number;
  #mapping: Mapping;
  /** Up to where in the file it has been read. */
  #read = 0;
  /** The beginning of a line that is not whole yet. */
  #rest: Buffer = Buffer.alloc(0);

  constructor(fd: number) {
    this.#fd = fd;
    this.#mapping = this.#map(0);
  }

  #map(offset: number): Mapping {
    const length = Math.min(reserve, fstatSync(this.#fd).size - offset);
    return map(this.#fd, { offset, length, reserve, advice: 'sequential' });
  }

  /** Prints what is new. @returns whether there was something. */
  look(): boolean {
    const { offset } = this.#mapping;
    const end = offset + this.#mapping.refresh();
    const size = fstatSync(this.#fd).size;
    if (size < this.#read) return this.#beginAnew();
    if (end === this.#read) {
      if (end < offset + reserve) return false;
      this.#mapping.unmap();
      this.#mapping = this.#map(end); // a reserve is whole pages, so this is one
      return true;
    }
    // A copy, and only then a look at whether it was there all the time: what is cut reads as zeros.
    const news = Buffer.from(this.#mapping.bytes.subarray(this.#read - offset, end - offset));
    if (fstatSync(this.#fd).size < end) return this.#beginAnew();
    this.#read = end;
    this.#print(news);
    return true;
  }

  #beginAnew(): true {
    notice('truncated');
    this.#mapping.unmap();
    this.#read = 0;
    this.#rest = Buffer.alloc(0);
    this.#mapping = this.#map(0);
    return true;
  }

  #print(news: Buffer): void {
    const end = news.lastIndexOf(NEWLINE) + 1;
    if (end > 0) process.stdout.write(Buffer.concat([this.#rest, news.subarray(0, end)]));
    const rest = news.subarray(end);
    this.#rest = end > 0 ? rest : Buffer.concat([this.#rest, rest]);
  }

  /** Whether the name stands for another file by now. */
  get isReplaced(): boolean {
    const named = statSync(path!, { throwIfNoEntry: false });
    if (named === undefined) return false; // its writer may go on until there is a new one
    const { dev, ino } = fstatSync(this.#fd);
    return named.dev !== dev || named.ino !== ino;
  }

  close(): void {
    if (this.#rest.length > 0) process.stdout.write(`${this.#rest}\n`); // nobody will end that line
    this.#mapping.unmap();
    closeSync(this.#fd);
  }
}

/** Waits until there is a file of that name. */
async function open(): Promise<Log> {
  for (;;) {
    try {
      return new Log(openSync(path!, 'r'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    await sleep(LOOK_MS);
  }
}

let log = await open();
for (;;) {
  // First the name, then the file: what was written before it was renamed is seen then.
  const { isReplaced } = log;
  while (log.look());
  if (isReplaced) {
    notice('rotated');
    log.close();
    log = await open();
  } else {
    await sleep(LOOK_MS);
  }
}
