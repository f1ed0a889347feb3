// What programs outside this repository are written against: the signatures of `memmap`, `memmap/posix` and
// `memmap/channel`, as modules of names of their own, so that the package's declarations can be held
// against them (contract.test-d.ts). Fixed: the package may offer more, and nothing here may change.
//
// Offsets and lengths are bytes unless said otherwise, and exact up to Number.MAX_SAFE_INTEGER.

declare module 'contract:memmap/posix' {
  /** Protection of pages. Values are the running platform's, read from its headers by the add-on. */
  export enum PROT {
    NONE,
    READ,
    WRITE,
    EXEC,
  }
  export enum MAP {
    SHARED,
    PRIVATE,
    SHARED_VALIDATE,
    ANONYMOUS,
    NORESERVE,
    POPULATE,
    LOCKED,
    HUGETLB,
    SYNC /* ... */,
  }
  export enum MS {
    ASYNC,
    INVALIDATE,
    SYNC,
  }
  export enum MADV {
    NORMAL,
    RANDOM,
    SEQUENTIAL,
    WILLNEED,
    DONTNEED /* ... all of madvise(2) that is safe on one's own range */,
  }
  export const PAGE_SIZE: number;
  // Flat names too: PROT_READ, MAP_SHARED, MS_SYNC, MADV_RANDOM, ...

  type Region = ArrayBuffer | SharedArrayBuffer | ArrayBufferView; // made by this package; anything else is a TypeError
  /** mmap(2) less the address. MAP_FIXED is refused: no argument reaches memory that this package did not map. An unaligned offset is the kernel's EINVAL; more than the runtime's largest ArrayBuffer is ERR_FEATURE_UNAVAILABLE. */
  export function mmap(
    length: number,
    prot: PROT,
    flags: MAP,
    fd?: number,
    offset?: number,
  ): ArrayBuffer;
  /** Detaches the buffer and every view of it. */
  export function munmap(buffer: ArrayBuffer): void;
  /** Of a view: the pages that it touches. */
  export function msync(region: Region, flags: MS): void;
  export function ftruncate(fd: number, length: number): void;
  export function madvise(region: Region, advice: MADV): void;
  export function mprotect(region: Region, prot: PROT): void;
  export function mlock(region: Region): void;
  export function munlock(region: Region): void;
  /** One byte for each page: 1 is resident. */
  export function mincore(region: Region): Uint8Array;
  /** The old buffer is detached. */
  export function mremap(buffer: ArrayBuffer, newLength: number): ArrayBuffer;
  export function memfd_create(name: string, flags?: number): number;
  export function shm_open(name: string, oflag: number, mode?: number): number;
  export function shm_unlink(name: string): void;
  export function add_seals(fd: number, seals: number): void; // fcntl(F_ADD_SEALS)
  export function get_seals(fd: number): number;
}

declare module 'contract:memmap' {
  type PathLike = string | URL | Buffer;
  type File = PathLike | number | import('node:fs/promises').FileHandle;
  type ViewClass = {
    new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): ArrayBufferView;
  };

  interface MapOptions {
    access?: 'read' | 'write' | 'copy'; // SHARED+READ | SHARED+READ+WRITE | PRIVATE+READ+WRITE; default 'read'
    offset?: number; // any byte; default 0
    length?: number; // default: to the end of the file
    create?: boolean; // make a missing file; with 'write' and a length
    sparse?: boolean; // extend by ftruncate instead of by allocation; a full disk is then met later
    reserve?: number; // address space kept for growth in place, >= length
    advice?: 'normal' | 'random' | 'sequential'; // outlives resize and slide
    populate?: boolean;
    lock?: boolean;
    hugePages?: boolean;
  }
  /** The file descriptor passed in stays the caller's; the mapping opens its own. */
  export function map(file: File, options?: MapOptions): Mapping;
  /** MAP_ANONYMOUS; shared (default) or private. */
  export function anonymous(
    length: number,
    options?: { shared?: boolean; populate?: boolean; lock?: boolean; hugePages?: boolean },
  ): Mapping;

  interface Fault {
    readonly offset: number;
    readonly length: number;
    readonly kind: 'truncated' | 'no-space' | 'io' | 'read-only' | 'unmapped';
  }

  export class Mapping implements Disposable, AsyncDisposable {
    readonly length: number;
    readonly offset: number;
    readonly access: 'read' | 'write' | 'copy';
    readonly closed: boolean;
    /** What the guard survived, merged; file offsets. */
    readonly faults: readonly Fault[];
    /** The whole mapping; byte 0 is the byte at `offset`, aligned or not. Made at first use, and anew after the user has transferred it; detached by unmap(). ERR_FEATURE_UNAVAILABLE beyond the runtime's largest ArrayBuffer: use view(). */
    readonly buffer: ArrayBuffer;
    /** The whole mapping, for workers; survives this object; after unmap() it is harmless, not detached. ERR_FEATURE_UNAVAILABLE where the runtime cannot. */
    readonly sharedBuffer: SharedArrayBuffer;
    /** A Buffer over `buffer`. */
    readonly bytes: Buffer;
    /** A typed array or DataView over just this window, of an ArrayBuffer of its own; any place of any mapping on every Node. `length` in elements (bytes for DataView). A misaligned address is ERR_OUT_OF_RANGE, but for DataView and byte arrays. Detached by unmap(). */
    view<T extends ViewClass>(type: T, byteOffset?: number, length?: number): InstanceType<T>;
    /** Successive windows over the whole mapping; V8 is slow past index 2^31, this is not. */
    windows<T extends ViewClass>(
      type: T,
      elements: number,
    ): Iterable<{ view: InstanceType<T>; byteOffset: number }>;
    /** Resolves when the range (default: all) is on the disk. Off the main thread; in order for each mapping. */
    flush(offset?: number, length?: number): Promise<void>;
    flush(ranges: Iterable<readonly [offset: number, length: number]>): Promise<void>;
    flushSync(offset?: number, length?: number): void;
    /** Sets the length of file and mapping. Within `reserve` no address changes: older buffers keep their length, `buffer` is new and longer; shrinking detaches. Beyond it every ArrayBuffer is detached; with a live sharedBuffer it throws. Where the file goes on past the mapping it is refused (ERR_OUT_OF_RANGE): nothing outside the window is ever cut. */
    resize(length: number): void;
    /** The same buffers over another part of the file: one system call. offset must equal this.offset modulo the page size. Returns how many bytes of the window lie before the end of the file; an offset past the end is ERR_OUT_OF_RANGE. Pages left behind are the file's: flush() without a range covers every window since the last one. Faults stay recorded. Refused on 'copy'. */
    slide(offset: number): number;
    /** Follows the file's size as others change it, within length or reserve, and puts faulted pages back on the file. Never changes the file; legal for 'read'. Returns the bytes before the end of the file. */
    refresh(): number;
    advise(advice: string, offset?: number, length?: number): void;
    prefetch(offset?: number, length?: number): Promise<void>;
    lock(offset?: number, length?: number): void;
    unlock(offset?: number, length?: number): void;
    protect(access: 'none' | 'read' | 'write', offset?: number, length?: number): void;
    residency(
      offset?: number,
      length?: number,
    ): { pages: number; resident: number; map: Uint8Array };
    usage(): {
      size: number;
      rss: number;
      pss: number;
      sharedClean: number;
      sharedDirty: number;
      privateClean: number;
      privateDirty: number;
    };
    /** Idempotent. */
    unmap(): void;
    [Symbol.dispose](): void; // unmap
    [Symbol.asyncDispose](): Promise<void>; // flush, then unmap
    /** The mapping behind a sharedBuffer received in a worker. */
    static from(shared: SharedArrayBuffer): Mapping;
  }

  /** Byte 0 is the user's: no header of ours. */
  export class SharedMemory extends Mapping {
    readonly fd: number;
    readonly name: string | undefined;
    static create(length: number, options?: { name?: string }): SharedMemory; // memfd, sealed against shrinking, growing and unsealing
    // fd stays the caller's, as in map(); access is 'write' unless said, here and in open()
    static adopt(
      fd: number,
      options?: { access?: 'read' | 'write'; trusted?: boolean },
    ): SharedMemory; // seals, type and size verified; unsealed only when trusted
    static createNamed(
      name: string,
      length: number,
      options?: { mode?: number; exclusive?: boolean },
    ): SharedMemory; // allocated; visible only when it has its size
    static open(name: string, options?: { access?: 'read' | 'write' }): SharedMemory;
    static unlink(name: string): void;
    seal(what: 'write'): void; // no new writers from here on; mappings that exist keep writing
  }
  /** Options for node's own fork() or spawn(): stdio and env filled in around what the caller passed. Without a stdio it is fork's default (inherit, and 'ipc'); for spawn pass one. `silent` and the string forms are understood. */
  export function share<T extends object>(memory: Record<string, SharedMemory>, options?: T): T;
  /** In the child, its workers too; verified to be the segment that was shared. Again after an unmap(): a new mapping of the same segment. */
  export function inherited(name: string, options?: { access?: 'read' | 'write' }): SharedMemory;
  export function inherited(): Record<string, SharedMemory>;

  /** Before the first mapping only. */
  export function setGuard(on: boolean): void;
  export function stats(): {
    regions: number;
    mappedBytes: number;
    retiredBytes: number;
    descriptors: number;
    faults: number;
  };
}

declare module 'contract:memmap/sync' {
  import type { Mapping } from 'contract:memmap';

  type Cell = Int32Array | Uint32Array; // over a shared mapping: ArrayBuffer or SharedArrayBuffer; private memory is a TypeError
  export function wait(
    cell: Cell,
    index: number,
    value: number,
    timeout?: number,
  ): 'ok' | 'not-equal' | 'timed-out';
  export function waitAsync(
    cell: Cell,
    index: number,
    value: number,
    options?: { timeout?: number; signal?: AbortSignal },
  ): Promise<'ok' | 'not-equal' | 'timed-out'>;
  /** Change the value first, then notify. Returns how many were woken, approximately. */
  export function notify(cell: Cell, index: number, count?: number): number;

  interface Held extends Disposable {
    /** The owner before died while holding it: what the lock protects may be half changed. */
    readonly ownerDied: boolean;
    unlock(): void;
  }
  /** A lock in shared memory, for any number of processes, workers and async tasks; tasks of one thread queue. */
  export class Mutex {
    static readonly BYTES: number;
    constructor(memory: Mapping, byteOffset: number);
    lock(options?: { timeout?: number; signal?: AbortSignal }): Promise<Held>;
    lockSync(timeout?: number): Held; // EDEADLK on a lock this thread holds
    tryLock(): Held | undefined;
  }
}

declare module 'contract:memmap/channel' {
  import type { SharedMemory } from 'contract:memmap';

  /** Messages in shared memory; up to `producers` senders and one receiver, each in any process or thread. Order is kept for each sender. */
  export class Channel {
    static create(options: { capacity: number; producers?: number }): Channel; // bytes for each producer
    static open(memory: SharedMemory): Channel;
    readonly memory: SharedMemory; // hand it over with share()
    readonly maxMessage: number;
    sender(): Sender; // takes a free place; one left by a dead sender is free again when its messages are read
    receiver(): Receiver; // one at a time; a dead one is replaced
  }
  export interface Sender extends Disposable {
    trySend(message: Uint8Array): boolean;
    send(message: Uint8Array, options?: { signal?: AbortSignal }): Promise<void>; // waits for room
    sendSync(message: Uint8Array, timeout?: number): boolean;
    close(): void;
  }
  export interface Receiver extends AsyncIterable<Buffer>, Disposable {
    tryReceive(): Buffer | undefined;
    receive(options?: { signal?: AbortSignal }): Promise<Buffer | undefined>; // undefined: every sender has closed
    receiveSync(timeout?: number): Buffer | undefined;
    /** Calls back for up to `limit` messages that are there, without copying: the bytes are valid inside the call. Returns how many. */
    drain(each: (message: Buffer, sender: number) => void, limit?: number): number;
    ref(): this;
    unref(): this;
    close(): void;
  }
}
