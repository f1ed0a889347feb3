// What the doctor tries with the add-on. Imported only once it is known to load.
import { fork } from 'node:child_process';
import { closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { anonymous } from '../map.js';
import { binary, native } from '../native.js';
import { add_seals, get_seals, memfd_create, PAGE_SIZE } from '../posix.js';
import { SharedMemory } from '../shared-memory.js';
import { Mutex, notify } from '../sync.js';
import type { Check } from './check.js';

const MFD_ALLOW_SEALING = 2;
const F_SEAL_SHRINK = 2;

const loaded: Check = {
  name: 'add-on',
  needed: true,
  look: () => ({
    status: 'ok',
    found: binary,
    means: /[\\/]prebuilds[\\/]/.test(binary) ? 'a prebuild' : 'built on this machine',
  }),
};

const pageSize: Check = {
  name: 'page size',
  look: () => ({
    status: 'ok',
    found: `${PAGE_SIZE} B`,
    means: 'what protections, faults and slide() are counted in',
    values: { bytes: PAGE_SIZE },
  }),
};

const sealedMemory: Check = {
  name: 'memfd_create, seals',
  needed: true,
  look() {
    const fd = memfd_create('memmap-doctor', MFD_ALLOW_SEALING);
    try {
      add_seals(fd, F_SEAL_SHRINK);
      if ((get_seals(fd) & F_SEAL_SHRINK) === 0) throw new Error('the seal was not kept');
    } finally {
      closeSync(fd);
    }
    return { status: 'ok', found: 'yes', means: 'SharedMemory.create(), share()' };
  },
};

const futex: Check = {
  name: 'futex',
  needed: true,
  look() {
    using memory = anonymous(PAGE_SIZE);
    notify(memory.view(Int32Array), 0);
    return { status: 'ok', found: 'yes', means: 'memmap/sync, memmap/channel' };
  },
};

const manyWaits: Check = {
  name: 'futex_waitv',
  look: () =>
    native.hasWaitv()
      ? { status: 'ok', found: 'yes', means: 'many waitAsync() share a thread' }
      : {
          status: 'limited',
          found: 'no',
          means: 'each waitAsync() has a thread; Linux 5.16 has it, a sandbox may forbid it',
        },
};

const descriptionLocks: Check = {
  name: 'OFD locks',
  needed: true,
  look() {
    using memory = SharedMemory.create(PAGE_SIZE);
    using held = new Mutex(memory, 0).tryLock();
    if (held === undefined) throw new Error('a new lock is not to be had');
    return { status: 'ok', found: 'yes', means: 'a Mutex is told when its owner has died' };
  },
};

const sharedBuffer: Check = {
  name: 'SharedArrayBuffer',
  look() {
    using memory = anonymous(PAGE_SIZE);
    try {
      new Uint8Array(memory.sharedBuffer)[0] = 1;
    } catch (error) {
      const { code } = error as { code?: string };
      const means = 'no sharedBuffer; workers use inherited() or SharedMemory.adopt()';
      return { status: 'limited', found: String(code), means };
    }
    return { status: 'ok', found: 'yes', means: 'sharedBuffer, Mapping.from()' };
  },
};

const guard: Check = {
  name: 'guard',
  needed: true,
  async look() {
    const program = fileURLToPath(new URL('./guard-probe.js', import.meta.url));
    const child = fork(program, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    const ended = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve(signal ?? code));
    });
    if (ended === 0) {
      return { status: 'ok', found: 'yes', means: 'a file cut under its mapping is survived' };
    }
    const means = 'a file cut under its mapping ends the process';
    return { status: 'no', found: `a child process ended with ${ended}`, means };
  },
};

export const addon: readonly Check[] = [
  loaded,
  pageSize,
  sealedMemory,
  guard,
  futex,
  manyWaits,
  descriptionLocks,
  sharedBuffer,
];
