// What the doctor asks the runtime and the kernel without the add-on.
import { constants } from 'node:buffer';
import { readdirSync, readFileSync, statfsSync } from 'node:fs';
import { release } from 'node:os';
import { cLibrary } from '../c-library.js';
import type { Check } from './check.js';
import { sizeText } from './text.js';

const OLDEST_NODE = [20, 19] as const;
const DEFAULT_AREAS = 65_530;
const SMALL_SHM = 64 * 2 ** 20; // what a container gets that did not ask

const text = (path: string) => readFileSync(path, 'utf8').trim();

/** The soft limit of this process, by its name in proc_pid_limits(5). */
function limit(name: string): number {
  const row = text('/proc/self/limits')
    .split('\n')
    .find((line) => line.startsWith(name));
  const soft = row?.slice(name.length).trim().split(/\s+/)[0];
  if (soft === undefined) throw new Error(`/proc/self/limits has no ${name}`);
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

const HUGE_PAGES = '/sys/kernel/mm/hugepages';

function hugePages() {
  return readdirSync(HUGE_PAGES).map((name) => {
    const count = (what: string) => Number(text(`${HUGE_PAGES}/${name}/${what}`));
    const bytes = 1024 * Number(/\d+/.exec(name)?.[0]);
    const more = count('nr_overcommit_hugepages');
    return { bytes, total: count('nr_hugepages') + more, free: count('free_hugepages') + more };
  });
}

const runtime: Check = {
  name: 'runtime',
  needed: true,
  look() {
    const { bun, deno } = process.versions as Partial<Record<string, string>>;
    const other = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : undefined;
    const found = other ?? `Node ${process.version}`;
    if (other) return { status: 'limited', found, means: 'tested are Node 20.19 and later' };
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    const [least, leastMinor] = OLDEST_NODE;
    const old = major < least || (major === least && minor < leastMinor);
    // Node 21 has it not, and 22 since 22.3.
    if (old || process.getBuiltinModule === undefined) {
      return { status: 'no', found, means: 'Node 20.19, or 22.3 and later, is needed' };
    }
    return { status: 'ok', found, means: `${process.arch}, Node-API ${process.versions['napi']}` };
  },
};

const kernel: Check = {
  name: 'kernel',
  needed: true,
  look() {
    const found = `${process.platform} ${release()}`;
    if (process.platform === 'linux') return { status: 'ok', found, means: cLibrary() };
    return { status: 'no', found, means: 'the package is for Linux only' };
  },
};

const largestBuffer: Check = {
  name: 'largest ArrayBuffer',
  look() {
    const bytes = constants.MAX_LENGTH;
    const means = 'of a longer mapping: view(), windows(), slide()';
    return { status: 'ok', found: sizeText(bytes), means, values: { bytes } };
  },
};

const huge: Check = {
  name: 'huge pages',
  look() {
    const sizes = hugePages();
    const found = sizes
      .map(({ bytes, total, free }) => `${sizeText(bytes)}: ${free} of ${total} free`)
      .join(', ');
    const values = Object.fromEntries(sizes.map(({ bytes, free }) => [`free ${bytes}`, free]));
    if (sizes.some(({ free }) => free > 0)) {
      return { status: 'ok', found, means: 'anonymous(length, { hugePages: true })', values };
    }
    const means = 'anonymous(length, { hugePages: true }) is ENOMEM until vm.nr_hugepages has some';
    return { status: 'limited', found: found || 'none', means, values };
  },
};

const areas: Check = {
  name: 'vm.max_map_count',
  look() {
    const count = Number(text('/proc/sys/vm/max_map_count'));
    const means = 'mappings of the process, all libraries together; beyond: ENOMEM';
    const status = count >= DEFAULT_AREAS ? 'ok' : 'limited';
    return { status, found: String(count), means, values: { count } };
  },
};

const lockedMemory: Check = {
  name: 'RLIMIT_MEMLOCK',
  look() {
    const bytes = limit('Max locked memory');
    if (bytes === Number.POSITIVE_INFINITY) {
      return { status: 'ok', found: 'unlimited', means: 'lock() of any size' };
    }
    const means = 'lock() beyond it is ENOMEM or EAGAIN, but for CAP_IPC_LOCK';
    return { status: 'limited', found: sizeText(bytes), means, values: { bytes } };
  },
};

const openFiles: Check = {
  name: 'RLIMIT_NOFILE',
  look() {
    const count = limit('Max open files');
    const means = 'each mapping of a file holds a descriptor; beyond: EMFILE';
    const status = count >= 1024 ? 'ok' : 'limited';
    return { status, found: String(count), means, values: { count } };
  },
};

const namedMemory: Check = {
  name: '/dev/shm',
  look() {
    const { bsize, blocks, bavail } = statfsSync('/dev/shm');
    const values = { bytes: bsize * blocks, free: bsize * bavail };
    const found = `${sizeText(values.free)} of ${sizeText(values.bytes)} free`;
    const means = 'room for createNamed(); beyond: ENOSPC';
    return { status: values.free > SMALL_SHM ? 'ok' : 'limited', found, means, values };
  },
};

export const machine: readonly Check[] = [
  runtime,
  kernel,
  largestBuffer,
  huge,
  areas,
  lockedMemory,
  openFiles,
  namedMemory,
];
