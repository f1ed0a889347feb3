// A FIFO whose both ends are in this process: I/O on it stays in flight for as long as a test likes.

import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';

export class Fifo {
  /** Both ends, blocking: fs.read() and fs.write() on it wait in the kernel, on a pool thread. */
  readonly fd: number;
  readonly #outlet: number;
  readonly #inlet: number;
  readonly #chunk = Buffer.alloc(1 << 16);

  constructor(path: string) {
    execFileSync('mkfifo', [path]); // Node has no mkfifo(3)
    // O_RDWR on a FIFO waits for nobody (fifo(7), Linux only).
    this.fd = openSync(path, constants.O_RDWR);
    this.#outlet = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#inlet = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  }

  /** Puts bytes in, which must have room. */
  feed(bytes: Uint8Array): void {
    const wrote = writeSync(this.#inlet, bytes);
    if (wrote !== bytes.length) throw new Error(`the FIFO took ${wrote} of ${bytes.length} bytes`);
  }

  /** Fills it to the brim. Returns how many bytes that took. */
  fill(byte: number): number {
    this.#chunk.fill(byte);
    for (let total = 0; ; ) {
      try {
        total += writeSync(this.#inlet, this.#chunk);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return total;
        throw error;
      }
    }
  }

  /** Takes out what is in it. */
  drain(): Buffer {
    const parts: Buffer[] = [];
    for (;;) {
      try {
        const got = readSync(this.#outlet, this.#chunk);
        parts.push(Buffer.from(this.#chunk.subarray(0, got)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return Buffer.concat(parts);
        throw error;
      }
    }
  }

  close(): void {
    for (const fd of [this.fd, this.#outlet, this.#inlet]) closeSync(fd);
  }
}
