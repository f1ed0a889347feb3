// Reads and writes that are in flight, the same whichever of Node's functions began them.

import { read, readv, write, writev } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

/** What its caller was told in the end. */
export interface Landing {
  /** Of the error, if it was one. */
  code: string | undefined;
  /** Bytes that it says were moved: 0 after an error. */
  moved: number;
  /** A read only: a copy of these bytes, taken when it ended. Empty when the buffer is detached. */
  seen: Buffer;
}

type Start = (handle: FileHandle, bytes: Uint8Array) => Promise<Landing>;
type Callback = (error: NodeJS.ErrnoException | null, moved: number) => void;

// Copied first: of a detached view subarray() would throw.
const copyOf = (bytes: Uint8Array, moved: number): Buffer => Buffer.from(bytes).subarray(0, moved);

/** Nothing here keeps the bytes alive: Node must do that for itself. */
function landed(begin: (done: Callback & { seen?: Buffer }) => void): Promise<Landing> {
  return new Promise((resolve) => {
    const done: Callback & { seen?: Buffer } = (error, moved) =>
      resolve({
        code: error === null ? undefined : (error.code ?? String(error)),
        moved: error === null ? moved : 0,
        seen: done.seen ?? Buffer.alloc(0),
      });
    begin(done);
  });
}

async function promised(io: Promise<{ moved: number; seen: Buffer }>): Promise<Landing> {
  try {
    return { code: undefined, ...(await io) };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    return { code, moved: 0, seen: Buffer.alloc(0) };
  }
}

const halves = (bytes: Uint8Array): Uint8Array[] => {
  const middle = bytes.length >> 1;
  return [bytes.subarray(0, middle), bytes.subarray(middle)];
};

export const READS: readonly Start[] = [
  function byRead({ fd }, bytes) {
    return landed((done) =>
      read(fd, bytes, 0, bytes.length, null, (error, moved, into) => {
        done.seen = copyOf(into, moved);
        done(error, moved);
      }),
    );
  },
  function byReadv({ fd }, bytes) {
    return landed((done) =>
      readv(fd, halves(bytes), (error, moved, into) => {
        done.seen = copyOf(
          Buffer.concat((into as Uint8Array[]).map((part) => Buffer.from(part))),
          moved,
        );
        done(error, moved);
      }),
    );
  },
  function byHandleRead(handle, bytes) {
    return promised(
      handle
        .read(bytes, 0, bytes.length, null)
        .then(({ bytesRead, buffer }) => ({ moved: bytesRead, seen: copyOf(buffer, bytesRead) })),
    );
  },
];

const nothing = Buffer.alloc(0);

export const WRITES: readonly Start[] = [
  function byWrite({ fd }, bytes) {
    return landed((done) => write(fd, bytes, 0, bytes.length, null, done));
  },
  function byWritev({ fd }, bytes) {
    return landed((done) => writev(fd, halves(bytes), done));
  },
  function byHandleWrite(handle, bytes) {
    return promised(
      handle
        .write(bytes, 0, bytes.length, null)
        .then(({ bytesWritten }) => ({ moved: bytesWritten, seen: nothing })),
    );
  },
];
