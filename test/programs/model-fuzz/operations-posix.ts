// memmap/posix: buffers without a Mapping, and descriptors.

import { constants, fstatSync } from 'node:fs';
import * as posix from 'memmap/posix';
import { F_SEAL, MAP, MFD, MS, PROT } from 'memmap/posix';
import { FileModel, MAX_PAGES, P, RegionModel, WRITE } from './memory.js';
import { bytes, closeCore, isWriteSealed } from './operations-map.js';
import { checkResidency } from './operations-pages.js';
import * as ranges from './ranges.js';
import {
  isClosed,
  type Mapped,
  type OpenFile,
  type Raw,
  type State,
  type Window,
} from './state.js';
import { type Expected, names } from './world.js';

/** The start of every name in /dev/shm. */
export const PREFIX: string = `memmap-model-${process.pid}-`;
const NOT_OURS = 'ERR_INVALID_ARG_TYPE';

function addRaw(state: State, buffer: ArrayBuffer, region: RegionModel, length: number): Raw {
  const label = state.label('raw');
  names.set(buffer, label);
  const window: Window = {
    ...{ bytes: new Uint8Array(buffer), region, start: 0, length },
    ...{ stays: false, maker: undefined, label },
  };
  const raw = { label, buffer, region, length, windows: [window], cut: false };
  state.raw.push(raw);
  return raw;
}

export function mmap(state: State): void {
  const { world, files } = state;
  const { draw } = world;
  const open = draw.once(2) ? draw.of(files) : undefined;
  const shared = draw.once(2);
  const prot = draw.of([PROT.NONE, PROT.READ, PROT.READ | PROT.WRITE, PROT.READ | PROT.WRITE]);
  const length = draw.once(20) ? 0 : 1 + bytes(state, 6 * P);
  const offset = draw.once(20) ? 17 : P * draw.below(4);
  const populate = draw.once(10);
  const readOnly = draw.once(3);
  const kind = draw.once(30)
    ? 0
    : shared
      ? draw.of([MAP.SHARED, MAP.SHARED_VALIDATE])
      : MAP.PRIVATE;
  let flags = kind | (populate ? MAP.POPULATE : 0) | (draw.once(5) ? MAP.NORESERVE : 0);
  // Flags that it does not know are refused, with VALIDATE.
  if (kind === MAP.SHARED_VALIDATE) flags = kind | (populate ? MAP.POPULATE : 0);
  const args: unknown[] = [length, prot, flags];
  let code = length === 0 || kind === 0 || offset % P !== 0 ? 'EINVAL' : '';
  if (open === undefined) {
    args[2] = flags | MAP.ANONYMOUS;
    if (kind === MAP.SHARED_VALIDATE) return;
    if (offset % P !== 0) args.push(-1, offset);
  } else {
    args.push(readOnly ? open.readFd : open.fd, offset);
    const writes = shared && prot === WRITE;
    if (code === '' && writes && readOnly) code = 'EACCES';
    else if (code === '' && writes && isWriteSealed(open)) code = 'EPERM';
  }
  const buffer = world.call<ArrayBuffer>('posix', '', posix, 'mmap', args, code);
  if (buffer === undefined) return;
  world.equal('byteLength', buffer.byteLength, length);
  const pages = Math.ceil(length / P);
  const object = shared ? new FileModel('anonymous', pages * P, true) : undefined;
  const region = new RegionModel(world, {
    ...{ shared, prot, populate, length: pages },
    file: open === undefined ? object : open.model,
    offset: open === undefined ? 0 : offset,
    writable: open === undefined || !readOnly,
    mayWrite: !isWriteSealed(open),
  });
  const { label } = addRaw(state, buffer, region, length);
  world.note('', `that is ${label}, ${region}`);
}

function endRaw(state: State, raw: Raw): void {
  raw.region.retire();
  for (const { bytes: array } of raw.windows) {
    state.world.equal('length of a detached array', array.length, 0);
  }
  state.raw = state.raw.filter((other) => other !== raw);
}

export function munmap(state: State, raw: Raw): void {
  state.world.call('posix', '', posix, 'munmap', [raw.buffer]);
  endRaw(state, raw);
  if (state.world.draw.once(4)) refused(state, raw.buffer);
}
export function munmapMapping(state: State, mapped: Mapped): void {
  const { buffer, core } = mapped;
  if (buffer === undefined || isClosed(mapped) || buffer.byteLength === 0) return;
  state.world.call('posix', '', posix, 'mremap', [buffer, P], NOT_OURS);
  state.world.call('posix', '', posix, 'munmap', [buffer]);
  closeCore(state, core);
}

/** What is unmapped, or was never ours. */
function refused(state: State, buffer: ArrayBuffer | Uint8Array): void {
  const { world } = state;
  const [method, ...rest] = world.draw.of([
    ...[['munmap'], ['msync', MS.SYNC], ['madvise', 0], ['mprotect', 1], ['mlock'], ['munlock']],
    ...[['mincore'], ['mremap', P]],
  ] as [string, ...number[]][]);
  world.call('posix', '', posix, method, [buffer, ...rest], NOT_OURS);
}

/** The buffer, or a view of it, of a posix mapping or of a Mapping. */
function target(state: State): [unknown, ranges.Range, Window, Raw | undefined] | undefined {
  const { draw } = state.world;
  const raw = state.raw.length > 0 && draw.once(2) ? draw.of(state.raw) : undefined;
  const some = raw?.windows ?? draw.of(state.mapped)?.core.windows;
  if (some === undefined || some.length === 0) return undefined;
  const window = draw.of(some);
  if (window.region.retired) return undefined;
  const { bytes: array, region, start } = window;
  const whole = array.byteOffset === 0 && array.length === array.buffer.byteLength;
  if (whole && draw.once(2)) {
    return [array.buffer, { region, from: start, to: start + array.length }, window, raw];
  }
  const at = draw.below(array.length);
  const length = draw.below(array.length - at + 1);
  const view = array.subarray(at, at + length);
  names.set(view, `${window.label} [${at}, ${at + length})`);
  return [view, { region, from: start + at, to: start + at + length }, window, raw];
}

function syncCode(where: ranges.Range, flags: number): Expected {
  const region = where.region as RegionModel;
  if (where.from === where.to) return '';
  const known = MS.ASYNC | MS.INVALIDATE | MS.SYNC;
  if ((flags & ~known) !== 0 || (flags & MS.ASYNC && flags & MS.SYNC)) return 'EINVAL';
  const [from, to] = ranges.pagesOf(where);
  const locked = region.pages.slice(from, to).some((page) => page.locked);
  if (flags & MS.INVALIDATE && locked) return 'EBUSY';
  return region.shared && region.patched(from, to) ? 'ERR_MAPPING_FAULT' : '';
}

export function onPages(state: State): void {
  const { world } = state;
  const { draw } = world;
  const found = target(state);
  if (found === undefined) return;
  const [what, where, , raw] = found;
  const region = where.region as RegionModel;
  const method = draw.of(['msync', 'msync', 'madvise', 'mprotect', 'mlock', 'munlock', 'mincore']);
  if (raw !== undefined && ['madvise', 'mprotect', 'mlock', 'munlock'].includes(method))
    raw.cut = true;
  const [, to] = ranges.pagesOf(where);
  // A page of the region that the mapping has been cut away from is none that is there.
  if (to > region.length) return;
  switch (method) {
    case 'msync': {
      const flags = draw.of([MS.SYNC, MS.ASYNC, MS.SYNC | MS.INVALIDATE, MS.ASYNC | MS.SYNC, 8, 0]);
      world.call('posix', '', posix, 'msync', [what, flags], syncCode(where, flags));
      break;
    }
    case 'madvise': {
      const open = state.files.find(({ model }) => model === region.file);
      const [advice, code] = ranges.advise(draw, where, open);
      world.call('posix', '', posix, 'madvise', [what, ranges.adviceNumber(advice)], code);
      break;
    }
    case 'mprotect': {
      const prot = draw.of([PROT.NONE, PROT.READ, PROT.READ | PROT.WRITE, PROT.READ | PROT.WRITE]);
      world.call('posix', '', posix, 'mprotect', [what, prot], ranges.protect(where, prot));
      break;
    }
    case 'mlock':
      world.call('posix', '', posix, 'mlock', [what], ranges.lock(where));
      break;
    case 'munlock':
      world.call('posix', '', posix, 'munlock', [what]);
      ranges.unlock(where);
      break;
    default: {
      const map = world.call<Uint8Array>('posix', '', posix, 'mincore', [what]);
      checkResidency(state, where, map as Uint8Array);
    }
  }
}

export function mremap(state: State, raw: Raw): void {
  const { world } = state;
  const { draw } = world;
  const { region } = raw;
  const length = draw.once(10) ? 0 : 1 + bytes(state, 8 * P);
  const [first] = region.pages;
  if (first === undefined) return;
  const uniform = region.pages.every((page) => page.prot === region.prot);
  const lost = length !== 0 && region.patched(0, region.length);
  // Private memory in several areas does not move. How many there are the kernel knows.
  const maybe = length !== 0 && !lost && !region.shared && (raw.cut || !uniform);
  world.note('', `${raw.label} is ${region}`);
  const code = length === 0 ? 'EINVAL' : lost ? 'ERR_MAPPING_FAULT' : maybe ? ['', 'EFAULT'] : '';
  const buffer = world.call<ArrayBuffer>('posix', '', posix, 'mremap', [raw.buffer, length], code);
  if (buffer === undefined && !maybe) return;
  if (!region.shared && first.locked && region.prot === WRITE && buffer !== undefined) {
    for (let i = 0; i < region.length; i++) region.copyOnWrite(i);
  }
  if (buffer === undefined) {
    // It is as it was. Whether it moved must not decide what comes next: the seed is to.
    for (const window of raw.windows) state.look(window);
    state.lookAtStats();
    state.label('raw');
    munmap(state, raw);
    return;
  }
  const pages = Math.ceil(length / P);
  const next = new RegionModel(world, {
    ...{ file: region.file, shared: region.shared, offset: region.offset, length: pages },
    ...{ prot: region.prot, writable: region.writable, mayWrite: region.mayWrite },
  });
  next.inherit(region, first.locked);
  endRaw(state, raw);
  const moved = addRaw(state, buffer, next, length);
  if (maybe) {
    for (const window of moved.windows) state.look(window);
    state.lookAtStats();
    munmap(state, moved);
  }
  if (uniform || !region.shared) return;
  // Which protection parts of it have now is not said.
  const prot = region.mayWrite ? WRITE : PROT.READ;
  world.call('posix', '', posix, 'mprotect', [buffer, prot]);
  next.protect(0, pages, prot);
}

// --- descriptors ------------------------------------------------------------------------------------

/** Bytes that locks lie in are cut off only with all of them. */
export function truncate(state: State): void {
  const { world, files } = state;
  const { draw } = world;
  const open = draw.of(files);
  const { model, fd, readFd } = open;
  const size = bytes(state, draw.once(3) ? MAX_PAGES * P : 8 * P);
  const readOnly = draw.once(10);
  let code = readOnly ? 'EINVAL' : '';
  const seals = open.seals ?? 0;
  if (!readOnly && size < model.size && seals & F_SEAL.SHRINK) code = 'EPERM';
  if (!readOnly && size > model.size && seals & F_SEAL.GROW) code = 'EPERM';
  world.call('posix', '', posix, 'ftruncate', [readOnly ? readFd : fd, size], code);
  if (code === '') model.setSize(size);
}

export function memfd(state: State): void {
  const { world } = state;
  const sealing = world.draw.once(2);
  const name = state.label('memfd');
  const args = sealing ? [name, MFD.ALLOW_SEALING | MFD.CLOEXEC] : [name];
  const fd = world.call<number>('posix', '', posix, 'memfd_create', args) as number;
  const open = state.adoptFile(name, fd, 0, undefined, sealing ? 0 : F_SEAL.SEAL);
  const size = bytes(state, 6 * P);
  world.call('posix', '', posix, 'ftruncate', [fd, size]);
  open.model.setSize(size);
}

export async function seals(state: State): Promise<void> {
  const { world, files } = state;
  const { draw } = world;
  const open = draw.of(files);
  // A flush that is under way maps the file for a moment.
  await world.settled();
  const kinds = [F_SEAL.SHRINK, F_SEAL.GROW, F_SEAL.WRITE, F_SEAL.FUTURE_WRITE];
  const some = draw.once(6) ? F_SEAL.SEAL : draw.of(kinds);
  const { model } = open;
  const busy = [...model.regions].some((region) => region.mayWriteFile());
  const { seals: old } = open;
  if (old === undefined) {
    // Files of tmpfs are made sealed against sealing, others cannot be sealed at all.
    world.call('posix', '', posix, 'add_seals', [open.fd, some], ['EPERM', 'EINVAL']);
    return;
  }
  const readOnly = draw.once(8);
  let code = readOnly || old & F_SEAL.SEAL ? 'EPERM' : '';
  // What was handed over the parent process has mapped.
  const used = busy || model.label === 'handed';
  if (code === '' && some === F_SEAL.WRITE && !(old & F_SEAL.WRITE) && used) code = 'EBUSY';
  world.call('posix', '', posix, 'add_seals', [readOnly ? open.readFd : open.fd, some], code);
  if (code === '') open.seals = old | some;
  const args = [open.readFd];
  const now = world.call<number>('posix', '', posix, 'get_seals', args) as number;
  const known = F_SEAL.SEAL | F_SEAL.SHRINK | F_SEAL.GROW | F_SEAL.WRITE | F_SEAL.FUTURE_WRITE;
  world.equal('get_seals()', now & known, open.seals);
}

export function shm(state: State): void {
  const { world } = state;
  const { O_CREAT, O_EXCL, O_RDWR } = constants;
  const name = PREFIX + state.label('shm');
  const make = ['posix', '', posix, 'shm_open'] as const;
  world.call(...make, [`/${name}`, O_RDWR], 'ENOENT');
  const fd = world.call<number>(...make, [`/${name}`, O_RDWR | O_CREAT | O_EXCL, 0o600]) as number;
  world.call(...make, [`/${name}`, O_RDWR | O_CREAT | O_EXCL], 'EEXIST');
  world.call(...make, [`/${name}/x`, O_RDWR | O_CREAT], ['EINVAL', 'ENOENT', 'ENOTDIR']);
  world.equal('size of new shared memory', fstatSync(fd).size, 0);
  const open: OpenFile = state.adoptFile(name, fd, 0, `/dev/shm/${name}`);
  const size = P * world.draw.below(5);
  world.call('posix', '', posix, 'ftruncate', [fd, size]);
  open.model.setSize(size);
}

/** The name goes; who has it open goes on. */
export function shmUnlink(state: State): void {
  const open = state.files.find(({ path }) => path?.startsWith(`/dev/shm/${PREFIX}`));
  if (open?.path === undefined) return;
  const name = open.path.slice('/dev/shm'.length);
  state.world.call('posix', '', posix, 'shm_unlink', [name]);
  state.world.call('posix', '', posix, 'shm_unlink', [name], 'ENOENT');
  open.path = undefined;
}

/** Each flat name is what its enum says. */
export function constantsAgree(state: State): void {
  const { world } = state;
  const all = posix as unknown as Record<string, unknown>;
  for (const [prefix, values] of Object.entries(all)) {
    if (typeof values !== 'object') continue;
    for (const [name, value] of Object.entries(values as object)) {
      if (typeof value === 'number')
        world.equal(`${prefix}_${name}`, all[`${prefix}_${name}`], value);
    }
  }
}
