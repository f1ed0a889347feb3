// One mapping of each kind that the package makes, for what must hold of all of them.

import { closeSync, openSync } from 'node:fs';
import { anonymous, type Mapping, map, SharedMemory } from 'memmap';
import { MAP, mmap, munmap, PAGE_SIZE, PROT } from 'memmap/posix';

/** Something mapped, as far as all kinds have it in common. */
export interface Mapped {
  /** Over the whole of it. */
  readonly bytes: Uint8Array;
  readonly buffer: ArrayBuffer;
  readonly mapping: Mapping | undefined;
  unmap(): void;
}

export interface Kind {
  name: string;
  /** Where byte 0 lies in the file; undefined: there is no file. */
  offset: number | undefined;
  /** What is written to it reaches the file. */
  reachesFile: boolean;
  /** May be written to without a fault. */
  writable: boolean;
  /** The file must have `offset + length` bytes. */
  make(path: string, length: number): Mapped;
}

const ofMapping = (mapping: Mapping): Mapped => ({
  mapping,
  get bytes() {
    return mapping.bytes;
  },
  get buffer() {
    return mapping.buffer;
  },
  unmap: () => mapping.unmap(),
});

const ofBuffer = (buffer: ArrayBuffer): Mapped => ({
  mapping: undefined,
  buffer,
  get bytes() {
    return new Uint8Array(buffer);
  },
  unmap: () => munmap(buffer),
});

function ofFile(name: string, access: 'read' | 'write' | 'copy', offset = 0): Kind {
  return {
    name,
    offset,
    reachesFile: access === 'write',
    writable: access !== 'read',
    make: (path, length) => ofMapping(map(path, { access, offset, length })),
  };
}

function posix(name: string, flags: MAP): Kind {
  return {
    name,
    offset: PAGE_SIZE,
    reachesFile: flags === MAP.SHARED,
    writable: true,
    make: (path, length) => {
      const fd = openSync(path, 'r+');
      try {
        return ofBuffer(mmap(length, PROT.READ | PROT.WRITE, flags, fd, PAGE_SIZE));
      } finally {
        closeSync(fd);
      }
    },
  };
}

function ofMemory(name: string, make: (length: number) => Mapped): Kind {
  return {
    name,
    offset: undefined,
    reachesFile: false,
    writable: true,
    make: (_, length) => make(length),
  };
}

export const KINDS: readonly Kind[] = [
  ofFile("map() with 'write'", 'write'),
  ofFile("map() with 'write', at an odd offset", 'write', PAGE_SIZE + 321),
  ofFile("map() with 'read'", 'read', 16),
  ofFile("map() with 'copy'", 'copy'),
  posix('mmap(MAP.SHARED)', MAP.SHARED),
  posix('mmap(MAP.PRIVATE)', MAP.PRIVATE),
  ofMemory('mmap(MAP.SHARED|MAP.ANONYMOUS)', (length) =>
    ofBuffer(mmap(length, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.ANONYMOUS)),
  ),
  ofMemory('anonymous()', (length) => ofMapping(anonymous(length))),
  ofMemory('anonymous(), private', (length) => ofMapping(anonymous(length, { shared: false }))),
  ofMemory('SharedMemory.create()', (length) => ofMapping(SharedMemory.create(length))),
];

/** How long a file must be for every kind to map so many bytes of it. */
export const fileLength = (length: number): number => 2 * PAGE_SIZE + length;
