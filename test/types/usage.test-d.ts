// What must compile, with the types that come out of it, and what must not. Checked by types.test.ts; never
// run. An `@ts-expect-error` whose line compiles is an error itself.

import { open } from 'node:fs/promises';
import {
  anonymous,
  type Fault,
  inherited,
  Mapping,
  map,
  SharedMemory,
  setGuard,
  share,
  stats,
} from 'memmap';
import {
  MADV,
  MADV_RANDOM,
  MAP,
  MAP_SHARED,
  MS,
  MS_SYNC,
  madvise,
  mincore,
  mmap,
  mprotect,
  mremap,
  msync,
  munmap,
  PAGE_SIZE,
  PROT,
  PROT_READ,
} from 'memmap/posix';
import { is } from './same.js';

const mapping = map('file', { access: 'write', length: 4096 });
is<typeof mapping, Mapping>(mapping);

// --- views: of the class that was asked for

const doubles = mapping.view(Float64Array, 8, 1);
is<typeof doubles, Float64Array<ArrayBuffer>>(doubles);
const first: number | undefined = doubles[0];
const wide = mapping.view(BigInt64Array);
const whole: bigint | undefined = wide[0];
const data = mapping.view(DataView, 3);
is<typeof data, InstanceType<typeof DataView>>(data);
class Records extends Uint8Array {
  count(): number {
    return this.length / 16;
  }
}
const count: number = mapping.view(Records).count();
for (const { view, byteOffset } of mapping.windows(Uint16Array, 1024)) {
  is<typeof view, Uint16Array<ArrayBuffer>>(view);
  is<typeof byteOffset, number>(byteOffset);
}
// @ts-expect-error: an Int32Array is none
const wrong: Float64Array = mapping.view(Int32Array);
// @ts-expect-error: bigints are not numbers
const number: number | undefined = mapping.view(BigUint64Array)[0];
// @ts-expect-error: no view of memory
mapping.view(Array);
// @ts-expect-error
mapping.view(Map);
// @ts-expect-error
mapping.view(ArrayBuffer);
// @ts-expect-error: not even a class
mapping.view('Float64Array');
// @ts-expect-error: an object of the class, not the class
mapping.view(new Float64Array(1));
// @ts-expect-error
mapping.view();
// @ts-expect-error
mapping.view(Float64Array, '8');
// @ts-expect-error: windows of what size?
mapping.windows(Float64Array);
// @ts-expect-error
mapping.windows(String, 1024);

// --- options: misspelt words and names

// @ts-expect-error
map('file', { access: 'readwrite' });
// @ts-expect-error
map('file', { access: 'Read' });
// @ts-expect-error
map('file', { access: '' });
// @ts-expect-error
map('file', { acess: 'read' });
// @ts-expect-error
map('file', { access: 'read' as string });
// @ts-expect-error
map('file', { advice: 'willneed' });
// @ts-expect-error
map('file', { length: '4096' });
// @ts-expect-error
map('file', { offset: 1n });
// @ts-expect-error
map('file', { create: 1 });
// @ts-expect-error
map({});
// @ts-expect-error
map();
// @ts-expect-error
anonymous();
// @ts-expect-error
anonymous(1, { access: 'read' });
// @ts-expect-error
mapping.protect('exec');
// @ts-expect-error
inherited('name', { access: 'copy' });
// @ts-expect-error
SharedMemory.open('name', { access: 'copy' });
// @ts-expect-error
SharedMemory.create('4096');
// @ts-expect-error
SharedMemory.create(1).seal('shrink');
// @ts-expect-error: a Mapping has no descriptor to hand over
share({ mapping });
// @ts-expect-error
setGuard('off');

// --- what cannot be written to

// @ts-expect-error
mapping.length = 1;
// @ts-expect-error
mapping.closed = true;
// @ts-expect-error
mapping.faults.push({ offset: 0, length: 1, kind: 'io' });
// @ts-expect-error
const fault: Fault = { offset: 0, length: 1, kind: 'lost' };
// @ts-expect-error
stats().regions = 0;

// --- flush

const flushed: Promise<void> = mapping.flush([[0, 10]] as const);
is<ReturnType<typeof mapping.flushSync>, void>(mapping.flushSync(0, 1));
// @ts-expect-error
mapping.flush([0, 10]);
// @ts-expect-error
mapping.flush([['0', 10]]);
// @ts-expect-error
mapping.flushSync([[0, 10]]);

// --- the man page: a flag of one call is none of another's

const buffer = mmap(4096, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.POPULATE, 3, PAGE_SIZE);
is<typeof buffer, ArrayBuffer>(buffer);
mmap(4096, PROT_READ, MAP_SHARED, 3);
mmap(4096, PROT.NONE, MAP.PRIVATE | MAP.ANONYMOUS);
msync(buffer, MS.SYNC);
msync(new Float64Array(buffer), MS_SYNC | MS.INVALIDATE);
madvise(mapping.sharedBuffer, MADV_RANDOM);
madvise(mapping.bytes, MADV.RANDOM);
const pages = mincore(buffer);
is<typeof pages, Uint8Array<ArrayBufferLike>>(pages);
const longer: ArrayBuffer = mremap(buffer, 8192);
// @ts-expect-error
msync(buffer, MAP.SHARED);
// @ts-expect-error
msync(buffer, MAP_SHARED);
// @ts-expect-error
msync(buffer, PROT.READ);
// @ts-expect-error
msync(buffer, 'SYNC');
// @ts-expect-error
msync(buffer);
// @ts-expect-error
msync({}, MS.SYNC);
// @ts-expect-error: its buffer
msync(mapping, MS.SYNC);
// @ts-expect-error: the wrong way round
mmap(4096, MAP.SHARED, PROT.READ, 3);
// @ts-expect-error
mmap(4096, PROT.READ, MS.SYNC, 3);
// @ts-expect-error
mmap('4096', PROT.READ, MAP.SHARED, 3);
// @ts-expect-error
madvise(buffer, MS.SYNC);
// @ts-expect-error
mprotect(buffer, MAP.SHARED);
// @ts-expect-error
munmap(new Uint8Array(buffer));
// @ts-expect-error
mremap(buffer);
// @ts-expect-error: they are read from the platform, and no one's to set
PROT.READ = 1;
// @ts-expect-error
MAP.FIXED;

// --- what must compile besides

map(Buffer.from('file'));
map(new URL('file:///file'), {});
map(3, { access: 'copy', offset: 1, reserve: 4096, advice: 'random', populate: true, lock: true });
map(await open('file'), { hugePages: true, sparse: true });
using scratch = anonymous(1, { shared: false, hugePages: false });
await using other: AsyncDisposable = Mapping.from(mapping.sharedBuffer);
const { fd, name } = SharedMemory.create(1, { name: 'a' });
is<typeof fd, number>(fd);
is<typeof name, string | undefined>(name);
const options = share({ m: SharedMemory.create(1) }, { silent: true, execArgv: ['-e'] });
is<typeof options, { silent: boolean; execArgv: string[] }>(options);
const one: SharedMemory = inherited('m', { access: 'read' });
const all: Record<string, SharedMemory> = inherited();
const kind: 'truncated' | 'no-space' | 'io' | 'read-only' | 'unmapped' | undefined =
  mapping.faults[0]?.kind;

export {
  all,
  count,
  fault,
  first,
  flushed,
  kind,
  longer,
  number,
  one,
  other,
  scratch,
  whole,
  wrong,
};
