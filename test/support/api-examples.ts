// What the examples of docs/api/ need besides themselves: each is a function of its own, and these lines go before
// and after it. Of one that stands here with nothing the example is all.

export interface Setting {
  before?: string;
  after?: string;
}

export const IMPORTS = `
import { strictEqual, deepStrictEqual } from 'node:assert';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, closeSync, constants, openSync, truncateSync, writeFileSync } from 'node:fs';
import { MessageChannel, Worker } from 'node:worker_threads';
import { anonymous, inherited, map, Mapping, setGuard, share, SharedMemory, stats } from 'memmap';
import { Channel, type Receiver, type Sender } from 'memmap/channel';
import * as posix from 'memmap/posix';
import { Mutex, notify, wait, waitAsync } from 'memmap/sync';

const { add_seals, F_SEAL, ftruncate, get_seals, MADV, madvise, MAP, memfd_create, MFD, mincore } = posix;
const { mlock, mmap, mprotect, mremap, MS, msync, munlock, munmap, PROT, shm_open, shm_unlink } = posix;
`;

/** A file of 2 MiB whose byte is its place, by 256. */
const FILE = `
writeFileSync('data.bin', Uint8Array.from({ length: 2 << 20 }, (_, i) => i));
const mapping = map('data.bin', { access: 'write' });
`;
const SUM =
  'let sums = 0; const sum = (part: ArrayLike<number>, _at?: number) => { sums += part.length; };\n';
const TABLE =
  'const table = SharedMemory.create(4096); const counter = SharedMemory.create(4096);\n';
const ENDED = `deepStrictEqual((await once(child, 'exit'))[0], 0);\n`;

const MEMORY = 'const memory = SharedMemory.create(4096);\n';
const MUTEX = `${MEMORY}const mutex = new Mutex(memory, 0);\n`;
const IS_FREE = 'mutex.tryLock()!.unlock();\n';
const IS_HELD = 'strictEqual(mutex.tryLock(), undefined);\n';

const CELL = `${MEMORY}const cell = memory.view(Int32Array, 0, 1);\n`;
/** A thread that changes the cell after a while, and wakes. */
const WAKER = `
const waker = new Worker(\`
  const { workerData } = require('node:worker_threads');
  import('memmap/sync').then(({ notify }) => setTimeout(() => {
    const cell = new Int32Array(workerData, 0, 1);
    Atomics.store(cell, 0, 1);
    notify(cell, 0);
  }, 50));
\`, { eval: true, workerData: memory.sharedBuffer });
const ended = once(waker, 'exit');
`;

const ENDS = `
const channel = Channel.create({ capacity: 4096 });
const sender: Sender = channel.sender();
const receiver: Receiver = channel.receiver();
const message = Buffer.from('one');
`;
const SENT = `${ENDS.replace('const message', 'const sent')}sender.trySend(sent);\n`;
const ADD = `const added: string[] = [];
const add = (message: Buffer, sender: number) => added.push(\`\${message} \${sender}\`);\n`;
const GOT = "strictEqual(message?.toString(), 'one');\n";
const ARRIVED = 'strictEqual(receiver.tryReceive()?.length, 4);\n';

const PAGE = `
let buffer = mmap(4096, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.ANONYMOUS);
`;
const SEALABLE = "const fd = memfd_create('table', MFD.ALLOW_SEALING);\n";
const NAMED = "closeSync(shm_open('/my-table', constants.O_RDWR | constants.O_CREAT));\n";

/** By page and heading. */
export const SETTINGS: Record<string, Record<string, Setting>> = {
  memmap: {
    'map()': { before: "writeFileSync('data.bin', 'a file of bytes.');\n" },
    'anonymous()': { after: 'strictEqual(scratch.length, 1 << 20);\n' },
    'share()': { before: TABLE, after: ENDED },
    'inherited()': { after: 'strictEqual(counter[0]! > 0, true);\n' },
    'setGuard()': { after: 'setGuard(true);\n' },
    'stats()': {},
    faults: {
      before: `${FILE}mapping.bytes[4096];\ntruncateSync('data.bin', 0);\nmapping.bytes[0];\n`,
    },
    sharedBuffer: { before: `${FILE}const worker = new MessageChannel().port1;\n` },
    'view()': { before: FILE, after: 'strictEqual(column.byteLength, 8000);\n' },
    'windows()': { before: FILE + SUM, after: 'strictEqual(sums, mapping.length / 8);\n' },
    'from()': {
      before: 'const workerData = SharedMemory.create(4096).sharedBuffer;\n',
      after: 'strictEqual(mapping.length, 4096);\n',
    },
    'flush()': { before: FILE },
    'flushSync()': { before: FILE },
    'resize()': {
      before: "writeFileSync('table.dat', Buffer.alloc(4096));\n",
      after: 'strictEqual(table.bytes.length, 8192);\n',
    },
    'slide()': {
      before: `${SUM}const size = 100 << 20;\nwriteFileSync('huge.bin', '');\ntruncateSync('huge.bin', size);\n`,
      after: 'strictEqual(sums, size);\n',
    },
    'refresh()': { before: "writeFileSync('app.log', 'line');\n", after: 'strictEqual(end, 4);\n' },
    'advise()': { before: FILE, after: 'strictEqual(mapping.bytes[77], 77);\n' },
    'prefetch()': {
      before: FILE,
      after:
        'const { pages, resident } = mapping.residency(0, 1 << 20);\nstrictEqual(resident, pages);\n',
    },
    'lock()': { before: FILE },
    'unlock()': { before: FILE },
    'protect()': { before: FILE },
    'residency()': { before: FILE, after: 'strictEqual(resident <= pages, true);\n' },
    'usage()': { before: FILE },
    'unmap()': { before: FILE, after: 'strictEqual(mapping.closed, true);\n' },
    'create()': { after: 'deepStrictEqual(memory.length, 4096);\n' },
    'adopt()': { after: "strictEqual(memory.access, 'read');\n" },
    'createNamed()': { after: "SharedMemory.unlink('my-table');\n" },
    'open()': {
      before: "SharedMemory.createNamed('my-table', 4096);\n",
      after: "strictEqual(table.length, 4096);\nSharedMemory.unlink('my-table');\n",
    },
    'unlink()': { before: "SharedMemory.createNamed('my-table', 4096);\n" },
    'seal()': { before: MEMORY },
  },
  posix: {
    'mmap()': {
      before: "writeFileSync('data.bin', Buffer.alloc(4096, 7));\n",
      after: 'strictEqual(new Uint8Array(buffer)[4095], 7);\n',
    },
    'munmap()': { before: PAGE, after: 'strictEqual(buffer.byteLength, 0);\n' },
    'msync()': { before: PAGE },
    'ftruncate()': { before: SEALABLE },
    'madvise()': { before: PAGE },
    'mprotect()': { before: PAGE },
    'mlock()': { before: PAGE },
    'munlock()': { before: PAGE },
    'mincore()': { before: PAGE, after: 'strictEqual(pages.length, 1);\n' },
    'mremap()': {
      before: PAGE.replace('MAP.SHARED', 'MAP.PRIVATE'),
      after: 'strictEqual(buffer.byteLength, 8192);\n',
    },
    'memfd_create()': { after: 'closeSync(fd);\n' },
    'shm_open()': { after: "closeSync(fd);\nshm_unlink('/my-table');\n" },
    'shm_unlink()': { before: NAMED },
    'add_seals()': {
      before: SEALABLE,
      after: 'strictEqual(get_seals(fd), F_SEAL.SHRINK | F_SEAL.GROW);\n',
    },
    'get_seals()': { before: SEALABLE, after: 'strictEqual(isSealed, false);\n' },
  },
  sync: {
    'wait()': {
      before: MEMORY + WAKER,
      after: 'strictEqual(cell[0], 1);\nawait ended;\n',
    },
    'waitAsync()': {
      before: `${CELL}const seen = 0;\n${WAKER}`,
      after: "strictEqual(how, 'ok');\nawait ended;\n",
    },
    'notify()': { before: CELL },
    Mutex: {
      before: `const memory = SharedMemory.create(4096);\nconst table = memory.view(Int32Array, 64, 1);
const repair = () => {};\n`,
      after: 'strictEqual(table[0], 1);\nmutex.tryLock()!.unlock();\n',
    },
    'lock()': { before: MUTEX, after: IS_HELD },
    'lockSync()': { before: MUTEX, after: IS_HELD },
    'tryLock()': { before: MUTEX, after: IS_HELD },
    'unlock()': { before: MUTEX, after: IS_FREE },
  },
  channel: {
    Channel: {},
    'create()': {},
    'open()': { after: 'strictEqual(channel.maxMessage, 504);\n' },
    'sender()': { before: 'const channel = Channel.create({ capacity: 4096 });\n' },
    'receiver()': { before: 'const channel = Channel.create({ capacity: 4096 });\n' },
    'trySend()': { before: ENDS },
    'send()': { before: ENDS, after: ARRIVED },
    'sendSync()': { before: ENDS },
    'close()': { before: ENDS },
    'tryReceive()': { before: SENT, after: GOT },
    'receive()': { before: SENT, after: GOT },
    'receiveSync()': { before: SENT, after: GOT },
    'ready()': {
      before: `${ADD}${SENT}sender.close();\n`,
      after: "strictEqual(added[0], 'one 0');\n",
    },
    'drain()': { before: ADD + SENT, after: "strictEqual(added[0], 'one 0');\n" },
    'ref()': { before: ENDS },
    'unref()': { before: ENDS },
  },
};
