// What the kernel says about the memory of a process: /proc/PID/maps, smaps and pagemap.

import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
} from 'node:fs';
import { PAGE_SIZE } from 'memmap/posix';

/** One area (VMA) of an address space: a line of /proc/PID/maps, proc_pid_maps(5). */
export interface Area {
  start: number;
  end: number;
  /** As in maps: 'rw-s', 'r-xp'. */
  perms: string;
  offset: number;
  inode: number;
  /** Without the kernel's ' (deleted)'; '' for anonymous memory. */
  path: string;
  deleted: boolean;
}

/** An area with what proc_pid_smaps(5) counts in it. */
export interface CountedArea extends Area {
  /** In kB. */
  kb: ReadonlyMap<string, number>;
  /** The two-letter flags of VmFlags: 'rd', 'sh', 'lo'. */
  flags: readonly string[];
}

const LINE = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) \S+ (\d+) *(.*)$/;

function parseLine(line: string): Area | undefined {
  const match = LINE.exec(line);
  if (!match) return undefined;
  const [, start = '', end = '', perms = '', offset = '', inode = '', name = ''] = match;
  const deleted = name.endsWith(' (deleted)');
  return {
    start: Number.parseInt(start, 16),
    end: Number.parseInt(end, 16),
    perms,
    offset: Number.parseInt(offset, 16),
    inode: Number(inode),
    path: deleted ? name.slice(0, -' (deleted)'.length) : name,
    deleted,
  };
}

/** Every area of a process, in order of address. */
export function maps(pid: number | 'self' = 'self'): Area[] {
  const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => {
    const area = parseLine(line);
    if (!area) throw new Error(`not a line of maps: ${line}`);
    return area;
  });
}

/** Every area of a process with its counts, in order of address. */
export function smaps(pid: number | 'self' = 'self'): CountedArea[] {
  const areas: (Area & { kb: Map<string, number>; flags: string[] })[] = [];
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    const area = parseLine(line);
    if (area) {
      areas.push({ ...area, kb: new Map(), flags: [] });
      continue;
    }
    const last = areas.at(-1);
    const [, name, value = ''] = /^(\w+): *(.*)$/.exec(line) ?? [];
    if (!last || name === undefined) continue;
    if (name === 'VmFlags') last.flags.push(...value.trim().split(' '));
    else if (value.endsWith(' kB')) last.kb.set(name, Number.parseInt(value, 10));
  }
  return areas;
}

/** The areas over one file, deleted or not. */
export function areasOf<A extends Area>(path: string, areas: readonly A[]): A[] {
  return areas.filter((area) => area.path === path);
}

/** The areas that lie, whole or in part, in a range of addresses. */
export function areasIn<A extends Area>(start: number, end: number, areas: readonly A[]): A[] {
  return areas.filter((area) => area.start < end && area.end > start);
}

/** One count of smaps over several areas, in bytes. */
export function total(areas: readonly CountedArea[], ...names: readonly string[]): number {
  let kb = 0;
  for (const area of areas) {
    for (const name of names) {
      const value = area.kb.get(name);
      if (value === undefined) throw new Error(`smaps has no ${name}`);
      kb += value;
    }
  }
  return kb * 1024;
}

/** One page as /proc/PID/pagemap knows it. Needs no privilege: only frame numbers are hidden. */
export interface Page {
  present: boolean;
  swapped: boolean;
  /** A page of a file or of shared memory; false for one that is the process's own copy. */
  fileOrShared: boolean;
}

/** The pages from an address on (Documentation/admin-guide/mm/pagemap.rst). */
export function pagemap(start: number, count: number, pid: number | 'self' = 'self'): Page[] {
  const entries = Buffer.alloc(8 * count);
  const fd = openSync(`/proc/${pid}/pagemap`, 'r');
  try {
    const got = readSync(fd, entries, 0, entries.length, 8 * Math.floor(start / PAGE_SIZE));
    if (got !== entries.length) throw new Error(`pagemap gave ${got} of ${entries.length} bytes`);
  } finally {
    closeSync(fd);
  }
  return Array.from({ length: count }, (_, i) => {
    const high = entries.readUInt32LE(8 * i + 4); // bits 32 to 63
    return {
      present: (high & 0x8000_0000) !== 0,
      swapped: (high & 0x4000_0000) !== 0,
      fileOrShared: (high & 0x2000_0000) !== 0,
    };
  });
}

/** What this process has locked in memory, in bytes: VmLck of proc_pid_status(5). */
export function lockedBytes(): number {
  const kb = /^VmLck:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  if (kb === undefined) throw new Error('status has no VmLck');
  return Number(kb) * 1024;
}

export const lockedPages = (): number => lockedBytes() / PAGE_SIZE;

/** What the C library reads when it gives memory back, in whichever thread frees some. */
const OF_MALLOC = '/proc/sys/vm/overcommit_memory';

/** This process's open descriptors: number and what it leads to. */
export function descriptors(): Map<number, string> {
  const open = new Map<number, string>();
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const leadsTo = readlinkSync(`/proc/self/fd/${fd}`);
      if (leadsTo !== OF_MALLOC) open.set(Number(fd), leadsTo);
    } catch {
      // The descriptor of the listing itself, closed by now.
    }
  }
  return open;
}

/** The areas of the package's add-on that hold its code. */
export function addonText<A extends Area>(areas: readonly A[]): A[] {
  return areas.filter(({ perms, path }) => perms[2] === 'x' && /\/memmap[^/]*\.node$/.test(path));
}

/**
 * Whether a thread of a process sleeps in a system call whose first argument is this descriptor or address
 * (proc_pid_syscall(5)): a read(2) or write(2) that waits, or a futex(2) on that word.
 */
export function blockedOn(first: number, pid: number | 'self' = 'self'): boolean {
  return readdirSync(`/proc/${pid}/task`).some((task) => {
    try {
      // Number of the call and its arguments in hexadecimal; or 'running'.
      const call = readFileSync(`/proc/${pid}/task/${task}/syscall`, 'utf8').split(' ');
      return Number.parseInt(call[1] ?? '', 16) === first;
    } catch {
      return false; // that thread has ended meanwhile
    }
  });
}

/**
 * Who on this machine has a file open or mapped, of all processes that we may look at: 'PID fd' and
 * 'PID maps'. By device and inode: what lies under no name yet has another path for each who looks.
 */
export function holders({ dev, ino }: { dev: number; ino: number }): string[] {
  const found: string[] = [];
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  const device = [(dev >> 8) & 0xfff, minor].map((n) => n.toString(16).padStart(2, '0')).join(':');
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const areas = readFileSync(`/proc/${pid}/maps`, 'utf8');
      if (areas.includes(` ${device} ${ino} `)) found.push(`${pid} maps`);
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        const file = statSync(`/proc/${pid}/fd/${fd}`, { throwIfNoEntry: false });
        if (file?.dev === dev && file.ino === ino) found.push(`${pid} fd`);
      }
    } catch {
      // It has ended meanwhile, or is somebody else's.
    }
  }
  return [...new Set(found)].sort();
}

/** How many locks of open file descriptions lie on a file, wherever they were taken (proc_locks(5)). */
export function descriptionLocks(inode: number): number {
  const lines = readFileSync('/proc/locks', 'utf8').split('\n');
  return lines.filter((line) => line.includes(' OFDLCK ') && line.includes(`:${inode} `)).length;
}

/** Threads of a process that have this name. */
export function threads(name: string, pid: number | 'self' = 'self'): number {
  return readdirSync(`/proc/${pid}/task`).filter((task) => {
    try {
      return readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8').trim() === name;
    } catch {
      return false; // that thread has ended meanwhile
    }
  }).length;
}

/** How many areas this process has, but for the stacks of threads that wait, which come and go: two each. */
export const steadyAreas = (): number => maps().length - 2 * threads('memmap-wait');
