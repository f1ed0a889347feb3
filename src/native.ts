// Loads the add-on and gives its functions types. The only file that knows it; see native/addon.cc.
import { constants as bufferConstants } from 'node:buffer';
import { join } from 'node:path';
import { resolve } from 'node-gyp-build/node-gyp-build.js';
import { type Fault, nativeError } from './errors.js';
import { loadError } from './load-error.js';
import { threads } from './threads.js';

declare const brand: unique symbol;
/**
 * A mapping in the add-on, by its number. It lives as long as its owner, an object that was given when it was made: let
 * go of, it is unmapped when nothing else needs it. Whoever uses the number has the owner, too.
 */
export type Handle = number & { readonly [brand]: 'mapping' };
/** One lock, as one thread sees it, by its number. It has an owner, too. */
export type MutexHandle = number & { readonly [brand]: 'mutex' };

/** Bytes of memory that a mapping takes, as /proc/self/smaps counts them. */
export interface Usage {
  /** Address space. */
  size: number;
  /** In memory and in this process's page tables. */
  rss: number;
  /** `rss`, with pages that several processes have counted in proportion. */
  pss: number;
  /** Of `rss`: mapped by others too, and as in the file. */
  sharedClean: number;
  /** Mapped by others too, and changed. */
  sharedDirty: number;
  /** Mapped by this process alone, and as in the file. */
  privateClean: number;
  /** Mapped by this process alone, and changed. */
  privateDirty: number;
}

export interface Native {
  configure(
    makeError: typeof nativeError,
    onFaults: (path: string, faults: Fault[]) => void,
    maxBuffer: number,
  ): void;
  mapFile(
    owner: object,
    file: string | Uint8Array | number,
    options: number,
    offset: number,
    length: number,
    reserve: number,
  ): Handle;
  mapAnonymous(owner: object, length: number, options: number): Handle;
  bufferOf(handle: Handle, byteOffset: number, byteLength: number): ArrayBuffer;
  sharedBufferOf(handle: Handle): SharedArrayBuffer;
  /** Takes a view: Node-API does not see a SharedArrayBuffer itself. */
  mappingBehind(owner: object, view: Uint8Array): Handle;
  accessOf(handle: Handle): number;
  offsetOf(handle: Handle): number;
  lengthOf(handle: Handle): number;
  isClosed(handle: Handle): boolean;
  /** Of a mapping, or of the memory under a view. */
  faultsOf(target: Handle | object): Fault[];
  unmap(handle: Handle): void;
  /** Without ranges: all of it, and all windows that slides left behind. */
  prepareFlush(job: object, handle: Handle, ranges?: number[]): void;
  /** Of an object that prepareFlush() was given, once. */
  runFlush(job: object): Promise<void>;
  flushSync(handle: Handle, offset?: number, length?: number): void;
  resize(handle: Handle, length: number): void;
  slide(handle: Handle, offset: number): number;
  refresh(handle: Handle): number;
  /** A part of a mapping, or what a buffer covers. */
  advise(target: Handle | object, advice: number, offset?: number, length?: number): void;
  protect(target: Handle | object, prot: number, offset?: number, length?: number): void;
  sync(region: object, flags: number): void;
  lock(target: Handle | object, offset?: number, length?: number): void;
  unlock(target: Handle | object, offset?: number, length?: number): void;
  residency(target: Handle | object, offset?: number, length?: number): Uint8Array;
  prefetch(handle: Handle, offset: number, length: number): Promise<void>;
  usage(handle: Handle): Usage;
  createMemory(owner: object, name: string, length: number): Handle;
  createNamed(
    owner: object,
    name: string,
    length: number,
    mode: number,
    exclusive: boolean,
  ): Handle;
  openNamed(owner: object, name: string, writable: boolean): Handle;
  memfdCreate(name: string, flags: number): number;
  shmOpen(name: string, oflag: number, mode: number): number;
  shmUnlink(name: string): void;
  addSeals(fd: number, seals: number): void;
  getSeals(fd: number): number;
  descriptorOf(handle: Handle): number;
  identify(fd: number): { device: string; inode: string; size: number };
  setCloseOnExec(fd: number): void;
  /** Waits block; milliseconds that are negative are for ever. Returns an `Outcome`. */
  wait(cell: object, index: number, value: number, milliseconds: number): number;
  notify(cell: object, index: number, count: number): number;
  /** Who is told of the waits that `startWait` and `mutexStartWait` began; once for each environment. */
  listenForWaits(callback: (id: number, outcome: number) => void): void;
  /** An id, or 0: the cell has another value. */
  startWait(cell: object, index: number, value: number, milliseconds: number): number;
  /** True: the listener will not be told of it. */
  cancelWait(id: number): boolean;
  /** Whether the event loop goes on for waits that are pending. */
  refWaits(on: boolean): void;
  /** Whether there is futex_waitv(2) here. */
  hasWaitv(): boolean;
  openMutex(owner: object, handle: Handle, byteOffset: number): MutexHandle;
  /** The same for each Mutex on the same bytes. */
  mutexKey(mutex: MutexHandle): string;
  /** Returns a `Locked`. */
  mutexTry(mutex: MutexHandle, slept: boolean): number;
  mutexLock(mutex: MutexHandle, milliseconds: number): number;
  /** An id, or 0: it is free by now. */
  mutexStartWait(mutex: MutexHandle, milliseconds: number): number;
  /** Returns an `Owner`. */
  mutexOwner(mutex: MutexHandle): number;
  mutexPassOn(mutex: MutexHandle): void;
  mutexUnlock(mutex: MutexHandle): void;
  mmap(length: number, prot: number, flags: number, fd: number, offset: number): ArrayBuffer;
  munmap(buffer: ArrayBuffer): void;
  mremap(buffer: ArrayBuffer, newLength: number): ArrayBuffer;
  ftruncate(fd: number, length: number): void;
  stats(): {
    regions: number;
    mappedBytes: number;
    retiredBytes: number;
    descriptors: number;
    faults: number;
  };
  enableGuard(on: boolean): boolean;
  reinstallGuard(): void;
  readonly constants: Readonly<Record<string, number>>;
}

// core.js, which this becomes a part of, stands in lib/ as well.
const root = join(import.meta.dirname, '..');

function load(): { native: Native; binary: string } {
  let binary: string | undefined;
  try {
    binary = resolve(root);
    // As require() would, without the rest of the loader of CommonJS.
    const module = { exports: {} };
    process.dlopen(module, binary);
    return { native: module.exports as Native, binary };
  } catch (cause) {
    // node-gyp-build looks there instead, where it is set.
    throw loadError(process.env['MEMMAP_PREBUILD'] || root, binary, cause);
  }
}

export const { native, binary } = load();

/** Bytes of the largest ArrayBuffer that this runtime makes: 4 GiB on Node 20, far more later. */
export const maxBuffer: number = Math.min(bufferConstants.MAX_LENGTH, Number.MAX_SAFE_INTEGER);

/** For each mapping once: it has survived a fault, and its user should know. */
function warn(path: string, faults: readonly Fault[]): void {
  const what = path === '' ? 'a mapping' : `the mapping of '${path}'`;
  const first = faults[0];
  const where = first ? ` (${first.kind}, ${first.length} bytes at offset ${first.offset})` : '';
  process.emitWarning(
    `Pages of ${what} could not be used${where}. They were replaced by private memory; what is written there is lost. See the mapping's faults.`,
    { type: 'MappingWarning', code: 'MEMMAP_FAULT', detail: JSON.stringify(faults) },
  );
}

native.configure(nativeError, warn, maxBuffer);

// process.on('SIGBUS') has libuv put its handler in place of the guard's, and the last listener's removal
// restores the default. Node's own listeners for these two events are older, so that they have run when
// ours are called. Bun acts after all listeners: there its handler is in our place until the microtask, and a
// fault of a mapping would come again for ever.
// Workers have no signals.
const retake = (event: string | symbol): void => {
  if ((event !== 'SIGBUS' && event !== 'SIGSEGV') || !threads().isMainThread) return;
  native.reinstallGuard();
  queueMicrotask(() => native.reinstallGuard());
};
process.on('newListener', retake);
process.on('removeListener', retake);
