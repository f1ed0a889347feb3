// Loads the add-on and gives its functions types. The only file that knows it; see native/addon.cc.
import { constants as bufferConstants } from 'node:buffer';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { type Fault, nativeError } from './errors.js';

declare const brand: unique symbol;
/** A mapping in the add-on. Let go of, it is unmapped when nothing else needs it. */
export interface Handle {
  readonly [brand]: 'mapping';
}
/** A flush that has been asked for and not run. */
export interface FlushJob {
  readonly [brand]: 'flush';
}

export interface Native {
  configure(
    makeError: typeof nativeError,
    onFaults: (path: string, faults: Fault[]) => void,
    maxBuffer: number,
  ): void;
  mapFile(
    file: string | Uint8Array | number,
    options: number,
    offset: number,
    length: number,
    reserve: number,
  ): Handle;
  mapAnonymous(length: number, options: number): Handle;
  bufferOf(handle: Handle, byteOffset: number, byteLength: number): ArrayBuffer;
  lengthOf(handle: Handle): number;
  isClosed(handle: Handle): boolean;
  faultsOf(handle: Handle): Fault[];
  unmap(handle: Handle): void;
  prepareFlush(handle: Handle, ranges: number[]): FlushJob;
  runFlush(job: FlushJob): Promise<void>;
  flushSync(handle: Handle, offset: number, length: number): void;
  createMemory(name: string, length: number): Handle;
  descriptorOf(handle: Handle): number;
  identify(fd: number): { device: string; inode: string; size: number };
  setCloseOnExec(fd: number): void;
  mmap(length: number, prot: number, flags: number, fd: number, offset: number): ArrayBuffer;
  munmap(buffer: ArrayBuffer): void;
  msync(region: object, flags: number): void;
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

const root = fileURLToPath(new URL('..', import.meta.url));

function load(): Native {
  const require = createRequire(import.meta.url);
  try {
    return (require('node-gyp-build') as (folder: string) => Native)(root);
  } catch (cause) {
    const wanted = `${process.platform}-${process.arch}`;
    const text =
      `memmap: no add-on for ${wanted} could be loaded. Looked for prebuilds/${wanted}/ and ` +
      `build/Release/ in the package's folder. To build it from source: a C++17 compiler, make ` +
      `and python3, then \`npm rebuild memmap\`. The cause: ${(cause as Error).message}`;
    throw Object.assign(new Error(text, { cause }), { code: 'ERR_FEATURE_UNAVAILABLE' });
  }
}

export const native: Native = load();

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
// ours are called.
if (isMainThread) {
  const retake = (event: string | symbol): void => {
    if (event === 'SIGBUS' || event === 'SIGSEGV') native.reinstallGuard();
  };
  process.on('newListener', retake);
  process.on('removeListener', retake);
}
