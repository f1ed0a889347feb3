// What a Mapping does with its file: views, flushes, and how its window changes.

import * as memmap from 'memmap';
import { Mapping } from 'memmap';
import { F_SEAL } from 'memmap/posix';
import { MAX_PAGES, P, type RegionModel, WRITE } from './memory.js';
import { bytes, isSealed, isWriteSealed, makeRegion } from './operations-map.js';
import { type Core, isClosed, type Mapped, type State, type Window } from './state.js';
import type { Expected } from './world.js';

const CLOSED = 'ERR_MAPPING_CLOSED';
const CLASSES = [
  ...[Uint8Array, Int8Array, Uint16Array, Int32Array, Uint32Array, Float64Array, BigInt64Array],
  ...[DataView, Buffer as unknown as Uint8ArrayConstructor],
] as const;

// --- windows ----------------------------------------------------------------------------------------

function addWindow(mapped: Mapped, array: ArrayBufferView, at: number, length: number): void {
  const { core } = mapped;
  if (length === 0 || core.region === undefined) return;
  core.windows.push({
    bytes: new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
    ...{
      region: core.region,
      start: core.delta + at,
      length,
      stays: false,
      maker: mapped,
      label: mapped.label,
    },
  });
  if (core.windows.length > 12)
    core.windows.splice(
      core.windows.findIndex((w) => !w.stays),
      1,
    );
}

export function buffer(state: State, mapped: Mapped): void {
  const { world } = state;
  const { label, mapping, core } = mapped;
  const code = isClosed(mapped) ? CLOSED : '';
  const property = world.draw.of(['buffer', 'bytes'] as const);
  const got = world.get<ArrayBuffer | Buffer>('Mapping', label, mapping, property, code);
  if (got === undefined) return;
  const array = got instanceof ArrayBuffer ? got : (got.buffer as ArrayBuffer);
  world.equal(`${label}.${property}.byteLength`, got.byteLength, core.length);
  const known = core.windows.some((w) => w.maker === mapped && w.bytes.buffer === array);
  if (core.length === 0 || known) return;
  addWindow(mapped, new Uint8Array(array), 0, core.length);
  mapped.buffer = array;
}

/** The buffer goes elsewhere, where the runtime can do that; the mapping makes another one. */
export function transfer(state: State, mapped: Mapped): void {
  if (!('transfer' in ArrayBuffer.prototype)) return;
  const { world } = state;
  const { mapping, core } = mapped;
  const window = core.windows.find(
    (w) => !w.stays && w.maker === mapped && w.bytes.buffer === mapped.buffer,
  );
  if (window === undefined || isClosed(mapped) || mapped.buffer?.byteLength !== core.length) return;
  const movable = mapped.buffer as ArrayBuffer & { transfer(): ArrayBuffer };
  world.note(`${mapped.label}.buffer`, 'transfer', []);
  const moved = movable.transfer();
  window.bytes = new Uint8Array(moved);
  window.stays = true;
  mapped.buffer = undefined;
  world.equal(
    'the new buffer',
    world.get<ArrayBuffer>('Mapping', mapped.label, mapping, 'buffer')?.byteLength,
    core.length,
  );
}

export function view(state: State, mapped: Mapped): void {
  const { world } = state;
  const { draw } = world;
  const { label, mapping, core } = mapped;
  const Class = draw.of(CLASSES);
  const size = (Class as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1;
  const at = draw.once(3) ? bytes(state, core.length) : size * draw.below(core.length / size + 1);
  const offset = Math.min(at, core.length);
  const rest = core.length - offset;
  const length = draw.once(3)
    ? undefined
    : draw.below(Math.floor(rest / size) + (draw.once(6) ? 3 : 1));
  const misfit =
    (length === undefined ? rest % size !== 0 : length * size > rest) ||
    (core.offset + offset) % size !== 0;
  const code = misfit ? 'ERR_OUT_OF_RANGE' : isClosed(mapped) ? CLOSED : '';
  const args = [Class, offset, length];
  const got = world.call<ArrayBufferView>('Mapping', label, mapping, 'view', args, code);
  if (got === undefined) return;
  const right = length === undefined ? rest : length * size;
  world.equal('byteLength of a view', got.byteLength, right);
  world.equal('class of a view', got instanceof Class, true);
  addWindow(mapped, got, offset, right);
}

export function windows(state: State, mapped: Mapped): void {
  const { world } = state;
  const { draw } = world;
  const { label, mapping, core } = mapped;
  const Class = draw.of([Uint8Array, Uint16Array, Float64Array, DataView] as const);
  const size = (Class as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1;
  const elements = 1 + draw.below(3 * P);
  const misfit = core.length % size !== 0 || core.offset % size !== 0;
  const code = misfit ? 'ERR_OUT_OF_RANGE' : isClosed(mapped) ? CLOSED : '';
  type One = { view: ArrayBufferView; byteOffset: number };
  const args = [Class, elements];
  const all = world.call<Iterable<One>>('Mapping', label, mapping, 'windows', args, code);
  if (all === undefined) return;
  let at = 0;
  for (const { view: one, byteOffset } of all) {
    world.equal('byteOffset of a window', byteOffset, at);
    world.equal('bytes of a window', one.byteLength, Math.min(elements * size, core.length - at));
    const array = new Uint8Array(one.buffer, one.byteOffset, one.byteLength);
    const region = core.region as RegionModel;
    const start = core.delta + at;
    state.look({
      bytes: array,
      region,
      start,
      length: array.length,
      stays: false,
      maker: mapped,
      label: mapped.label,
    });
    at += one.byteLength;
    if (draw.once(20)) return;
  }
  world.equal('bytes of all windows', at, core.length);
}

export function sharedBuffer(state: State, mapped: Mapped): void {
  const { world } = state;
  const { label, mapping, core } = mapped;
  const none = core.length === 0 || core.region === undefined;
  const code = isClosed(mapped) ? CLOSED : none ? 'ERR_OUT_OF_RANGE' : '';
  const got = world.get<SharedArrayBuffer>('Mapping', label, mapping, 'sharedBuffer', code);
  if (got === undefined) return;
  world.equal('byteLength of sharedBuffer', got.byteLength, core.length);
  if (core.shared.includes(got)) return;
  core.shared.push(got);
  const window: Window = {
    bytes: new Uint8Array(got as unknown as ArrayBuffer),
    ...{ region: core.region as RegionModel, start: core.delta, length: core.length },
    ...{ stays: true, maker: mapped, label: `${label}.sharedBuffer` },
  };
  core.windows.push(window);
}

export function from(state: State, mapped: Mapped): void {
  const { world } = state;
  const { core } = mapped;
  const shared = core.shared.at(-1);
  if (shared === undefined) return;
  const args = [shared];
  const got = world.call<Mapping>(
    'Mapping',
    'Mapping',
    Mapping,
    'from',
    args,
    core.closed ? CLOSED : '',
  );
  if (got !== undefined) state.addMapping(got, core, true);
}

export function touch(state: State, windowsOf: readonly Window[]): void {
  const { draw } = state.world;
  if (windowsOf.length === 0) return;
  const window = draw.of(windowsOf);
  if (draw.once(2)) {
    const from = draw.below(window.length);
    state.look(window, from, Math.min(window.length, from + draw.below(2 * P)));
    return;
  }
  const at = draw.below(window.length);
  const most = Math.min(window.length - at, draw.of([1, 8, 100, 2 * P]));
  state.world.note('', `write ${most} bytes at ${at} of ${window.length} of ${window.label}`);
  // Nothing that was read so from retired pages is promised: what is written there is gone.
  if (window.region.retired) return;
  state.write(window, at, new Uint8Array(most).fill(1 + draw.below(255)));
}

// --- the disk ---------------------------------------------------------------------------------------

function flushCode(mapped: Mapped, ranges: readonly [number, number][] | undefined): Expected {
  const { core } = mapped;
  if (isClosed(mapped)) return CLOSED;
  if (core.access === 'copy') return 'ERR_MAPPING_ACCESS';
  if (ranges === undefined && core.lost) return 'ERR_MAPPING_FAULT';
  const isLost = (ranges ?? [[0, core.length]]).some(([at, length]) => {
    const from = Math.floor((core.delta + at) / P);
    return length > 0 && core.region?.patched(from, Math.ceil((core.delta + at + length) / P));
  });
  return isLost ? 'ERR_MAPPING_FAULT' : '';
}

function someRange(state: State, core: Core): [number, number] {
  const at = bytes(state, core.length);
  return [at, bytes(state, core.length - at)];
}
/** As arguments; and what they mean. */
export function range(state: State, core: Core): [unknown[], [number, number]] {
  const { draw } = state.world;
  if (draw.once(3)) return [[], [0, core.length]];
  const [at, length] = someRange(state, core);
  if (draw.once(4)) return [[at], [at, core.length - at]];
  return [
    [at, length],
    [at, length],
  ];
}

export function flush(state: State, mapped: Mapped): Promise<void> | undefined {
  const { world } = state;
  const { draw } = world;
  const { label, mapping, core } = mapped;
  const [args, one] = range(state, core);
  const whole = args.length === 0;
  const isSync = draw.once(2);
  if (isSync) {
    const code = flushCode(mapped, whole ? undefined : [one]);
    world.call('Mapping', label, mapping, 'flushSync', args, code);
    return undefined;
  }
  const many = draw.once(3)
    ? Array.from({ length: draw.below(4) }, () => someRange(state, core))
    : undefined;
  const code = flushCode(mapped, many ?? (whole ? undefined : [one]));
  const done = world.callAsync('Mapping', label, mapping, 'flush', many ? [many] : args, code);
  if (draw.once(3)) return done as Promise<never>;
  world.leave(done);
  return undefined;
}

export function prefetch(state: State, mapped: Mapped): void {
  const { world } = state;
  const { label, mapping, core } = mapped;
  const [args] = range(state, core);
  const code = isClosed(mapped) ? CLOSED : '';
  // One that is unmapped meanwhile has nothing left to read in, which is no error.
  world.leave(world.callAsync('Mapping', label, mapping, 'prefetch', args, code));
}

// --- the window -------------------------------------------------------------------------------------

function detachAll(state: State, core: Core): void {
  for (const { bytes: array, stays } of core.windows) {
    if (!stays) state.world.equal('length of a detached array', array.length, 0);
  }
  core.windows = core.windows.filter((window) => window.stays);
}

function resizeCode(mapped: Mapped, length: number, inPlace: boolean): string {
  const { core } = mapped;
  if (isClosed(mapped)) return CLOSED;
  if (core.anonymous || core.access !== 'write' || core.open === undefined)
    return 'ERR_MAPPING_ACCESS';
  const { size } = core.open.model;
  if (size > core.offset + core.length) return 'ERR_OUT_OF_RANGE';
  const grows = length > core.length;
  if (grows && !inPlace && core.shared.length > 0) return 'ERR_OUT_OF_RANGE';
  const end = core.offset + length;
  if (end > size && isSealed(core.open, F_SEAL.GROW)) return 'EPERM';
  if (end < size && isSealed(core.open, F_SEAL.SHRINK)) return 'EPERM';
  const { region } = core;
  // It is locked first, which what may not be touched cannot be.
  const locks = region === undefined ? core.lock : region.locked;
  if (grows && !inPlace && locks && region?.prot === 0) return 'ENOMEM';
  return '';
}

export function resize(state: State, mapped: Mapped): void {
  const { world } = state;
  const { label, mapping, core } = mapped;
  const { region, open } = core;
  if (isWriteSealed(open)) return;
  const length = bytes(state, MAX_PAGES * P - core.offset);
  const pages = Math.ceil((length + core.delta) / P);
  const grows = length > core.length;
  const inPlace = region !== undefined && pages <= region.pages.length;
  const code = resizeCode(mapped, length, inPlace);
  world.call('Mapping', label, mapping, 'resize', [length], code);
  if (code !== '') return;
  const shrinks = length < core.length;
  open?.model.setSize(core.offset + length);
  core.length = length;
  if (!grows) {
    region?.shrink(length === 0 ? 0 : pages);
    if (shrinks) detachAll(state, core);
  } else if (inPlace) {
    region.grow(pages);
  } else {
    detachAll(state, core);
    if (region !== undefined) {
      core.lost ||= region.patched(0, region.length);
      core.lock = region.locked;
      region.retire();
    }
    core.region = makeRegion(state, core, 0, region?.prot ?? WRITE);
    if (core.lock) core.region.lock(0, core.region.length);
  }
}

export function slide(state: State, mapped: Mapped): void {
  const { world } = state;
  const { draw } = world;
  const { label, mapping, core } = mapped;
  if (core.access === 'write' && isWriteSealed(core.open)) return;
  const size = core.open?.model.size ?? 0;
  const page = P * draw.below(Math.min(MAX_PAGES - 12, size / P + 2)) + core.delta;
  const offset = draw.once(8) ? bytes(state, size + P) : page;
  let code = '';
  if (isClosed(mapped)) code = CLOSED;
  else if (core.anonymous || core.access === 'copy') code = 'ERR_MAPPING_ACCESS';
  else if (offset % P !== core.delta || offset > size) code = 'ERR_OUT_OF_RANGE';
  const fits = Math.ceil((offset + Math.max(core.length, core.reserve)) / P) <= MAX_PAGES;
  if (code === '' && !fits) return;
  const got = world.call('Mapping', label, mapping, 'slide', [offset], code);
  if (code !== '') return;
  world.equal(`${label}.slide()`, got, Math.min(size - offset, core.length));
  core.offset = offset;
  const { region } = core;
  if (region === undefined) return;
  core.lost ||= region.patched(0, region.length);
  region.slide(offset - core.delta);
}

export function refresh(state: State, mapped: Mapped): void {
  const { world } = state;
  const { label, mapping, core } = mapped;
  if (core.access === 'write' && isWriteSealed(core.open)) return;
  const code = isClosed(mapped) ? CLOSED : '';
  const got = world.call('Mapping', label, mapping, 'refresh', [], code);
  if (code !== '') return;
  const { region, open } = core;
  if (open === undefined) {
    world.equal(`${label}.refresh()`, got, core.length);
    return;
  }
  const there = Math.max(0, open.model.size - core.offset);
  const length = Math.min(there, Math.max(core.length, core.reserve));
  world.equal(`${label}.refresh()`, got, length);
  core.lost = false;
  if (region === undefined) return;
  if (length > core.length) {
    region.grow(Math.ceil((length + core.delta) / P));
    core.length = length;
  }
  region.heal();
}

export function setGuard(state: State): void {
  const on = state.world.draw.once(2);
  state.world.call('memmap', '', memmap, 'setGuard', [on], on ? '' : 'ERR_INVALID_STATE');
}
