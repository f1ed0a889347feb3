// map(), anonymous(), and how a Mapping ends.

import { pathToFileURL } from 'node:url';
import type { Mapping } from 'memmap';
import * as memmap from 'memmap';
import { F_SEAL } from 'memmap/posix';
import { FileModel, MAX_PAGES, P, READ, RegionModel, WRITE } from './memory.js';
import { type Core, isClosed, type Mapped, type OpenFile, type State } from './state.js';

const SEALED_WRITE = F_SEAL.WRITE | F_SEAL.FUTURE_WRITE;
export const isWriteSealed = (open: OpenFile | undefined): boolean =>
  ((open?.seals ?? 0) & SEALED_WRITE) !== 0;
export const isSealed = (open: OpenFile | undefined, seal: F_SEAL): boolean =>
  ((open?.seals ?? 0) & seal) !== 0;

/** Some number of bytes, often one near the boundary of a page. */
export function bytes({ world: { draw } }: State, most: number): number {
  const kind = draw.below(4);
  if (kind === 0) return draw.below(most + 1);
  const near = P * draw.below(Math.floor(most / P) + 1) + (kind === 1 ? draw.below(3) - 1 : 0);
  return Math.min(most, Math.max(0, near));
}

export function makeRegion(state: State, core: Core, reserve: number, prot: number): RegionModel {
  const end = core.length === 0 ? 0 : core.length + core.delta;
  return new RegionModel(state.world, {
    file: core.open?.model,
    shared: core.access !== 'copy',
    offset: core.offset - core.delta,
    length: Math.ceil(end / P),
    reserved: reserve === 0 ? 0 : Math.ceil((reserve + core.delta) / P),
    prot,
    writable: core.access === 'write',
    populate: core.populate,
    faults: core.faults,
  });
}

interface Request {
  access: 'read' | 'write' | 'copy';
  offset: number;
  length: number;
  reserve: number;
}

/** What becomes of a file that is mapped so; undefined: nothing, and a code why. */
function mapped(open: OpenFile, how: Request, writable: boolean): [string, number] {
  const { size } = open.model;
  if (how.access === 'write' && !writable) return ['EACCES', size];
  if (how.length === 0 && how.offset > size) return ['ERR_OUT_OF_RANGE', size];
  const length = how.length === 0 ? size - how.offset : how.length;
  if (how.reserve !== 0 && how.reserve < length) return ['ERR_OUT_OF_RANGE', size];
  const end = how.offset + length;
  if (end > size && how.access !== 'write') return ['ERR_OUT_OF_RANGE', size];
  if (end > size && isSealed(open, F_SEAL.GROW)) return ['EPERM', size];
  const empty = length === 0;
  if (!empty && how.access === 'write' && isWriteSealed(open)) return ['EPERM', size];
  return ['', Math.max(end, size)];
}

export function mapFile(state: State): void {
  const { world, files } = state;
  const { draw } = world;
  const open = draw.of(files);
  const { model, path, fd, readFd } = open;
  const access = draw.of(['read', 'write', 'write', 'copy'] as const);
  const offset = bytes(state, draw.once(4) ? MAX_PAGES * P : Math.min(model.size, 4 * P));
  const room = MAX_PAGES * P - offset;
  const past = access === 'write' && !isWriteSealed(open);
  const most = draw.once(8) || past ? room : Math.min(room, Math.max(0, model.size - offset));
  const length = draw.once(3) ? 0 : bytes(state, Math.min(most, 12 * P));
  const wants = draw.once(2) ? 0 : bytes(state, room);
  // Less than the length is refused before anything is looked at.
  const reserve = wants !== 0 && wants < length ? length : wants;
  const options: Record<string, unknown> = { access };
  if (offset !== 0 || draw.once(2)) options['offset'] = offset;
  if (length !== 0 || draw.once(2)) options['length'] = length;
  if (reserve !== 0) options['reserve'] = reserve;
  if (draw.once(4)) options['advice'] = draw.of(['normal', 'random', 'sequential']);
  if (draw.once(8)) options['populate'] = true;
  if (draw.once(12)) options['lock'] = true;
  if (draw.once(3)) options['sparse'] = draw.once(2);
  const byPath = path !== undefined && draw.once(2);
  const useReadFd = !byPath && draw.once(access === 'write' ? 8 : 2);
  const used = useReadFd ? readFd : fd;
  const target = byPath
    ? draw.of([path, Buffer.from(path), pathToFileURL(path)])
    : draw.of([used, { fd: used }]);
  const [code, size] = mapped(open, { access, offset, length, reserve }, !useReadFd);
  const args = [target, options];
  const mapping = world.call<Mapping>('memmap', '', memmap, 'map', args, code);
  if (mapping === undefined) return;
  if (size !== model.size) model.setSize(size);
  const core = state.newCore(state.label('mapping'), {
    ...{ open, offset, access, reserve, length: length === 0 ? size - offset : length },
    populate: options['populate'] === true,
    lock: options['lock'] === true,
  });
  if (core.length !== 0 || reserve !== 0) {
    core.region = makeRegion(state, core, reserve, access === 'read' ? READ : WRITE);
    if (core.lock && core.length !== 0) core.region.lock(0, core.region.length);
  }
  state.addMapping(mapping, core);
  world.note('', `that is ${core.label}, ${core.region}`);
}

/** The beginning of a file, to be written to. */
export function mapBeginning(state: State, open: OpenFile): void {
  const length = Math.min(open.model.size, 2 * P);
  if (length === 0) return;
  const args = [open.fd, { access: 'write', length }];
  const mapping = state.world.call<Mapping>('memmap', '', memmap, 'map', args) as Mapping;
  const core = state.newCore(state.label('mapping'), { open, access: 'write', length });
  core.region = makeRegion(state, core, 0, WRITE);
  state.addMapping(mapping, core);
}

/** A file that is missing: made, or not. */
export function mapMissing(state: State): void {
  const { world, directory } = state;
  const label = state.label('file');
  const path = `${directory}/${label}`;
  const create = world.draw.once(2);
  const length = 1 + bytes(state, 4 * P);
  const options = create ? { access: 'write', create, length } : { access: 'write', length };
  const code = create ? '' : 'ENOENT';
  const mapping = world.call<Mapping>('memmap', '', memmap, 'map', [path, options], code);
  if (mapping === undefined) return;
  const open = state.openThere(label, path, length);
  const core = state.newCore(state.label('mapping'), { open, access: 'write', length });
  core.region = makeRegion(state, core, 0, WRITE);
  state.addMapping(mapping, core);
}

export function mapAnonymous(state: State): void {
  const { world } = state;
  const { draw } = world;
  const length = 1 + bytes(state, 8 * P);
  const shared = draw.once(2);
  const options: Record<string, unknown> = { shared };
  if (draw.once(8)) options['populate'] = true;
  if (draw.once(12)) options['lock'] = true;
  const args = shared && draw.once(4) ? [length] : [length, options];
  const mapping = world.call<Mapping>('memmap', '', memmap, 'anonymous', args);
  if (mapping === undefined) return;
  const access = shared ? 'write' : 'copy';
  const core = state.newCore(state.label('anonymous'), { access, anonymous: true, length });
  const pages = Math.ceil(length / P);
  core.region = new RegionModel(world, {
    file: shared ? new FileModel(core.label, pages * P, true) : undefined,
    ...{ shared, offset: 0, length: pages, prot: WRITE, writable: true, faults: core.faults },
  });
  if (args.length > 1 && options['lock'] === true) core.region.lock(0, pages);
  state.addMapping(mapping, core);
}

/** The mapping is over, whoever ended it. */
export function closeCore(state: State, core: Core): void {
  if (core.closed) return;
  state.locksLeft(core);
  core.closed = true;
  core.region?.retire();
  for (const window of core.windows) {
    if (!window.stays) state.world.equal('length of a detached array', window.bytes.length, 0);
  }
  core.windows = core.windows.filter((window) => window.stays);
}

/** The object has no use any more. */
function forget(state: State, gone: Mapped): void {
  state.mapped = state.mapped.filter((mapped) => mapped !== gone);
  const { core } = gone;
  if (state.mapped.some((mapped) => mapped.core === core)) return;
  if (!core.closed) core.region?.file?.regions.delete(core.region);
  if (core.closed) state.stray.push(...core.windows);
  while (state.stray.length > 20) state.stray.shift();
}

export function unmap(state: State, mapped: Mapped): void {
  const { world } = state;
  const { label, mapping, core, borrowed } = mapped;
  if (borrowed) mapped.ended = true;
  const method = world.draw.of(['unmap', Symbol.dispose] as const);
  world.call('Mapping', label, mapping, method);
  if (borrowed) {
    for (const window of core.windows) {
      if (window.maker !== mapped || window.stays) continue;
      world.equal('length of a detached array', window.bytes.length, 0);
    }
    core.windows = core.windows.filter((window) => window.maker !== mapped || window.stays);
  } else {
    closeCore(state, core);
  }
  world.equal('closed', isClosed(mapped), world.get('Mapping', label, mapping, 'closed'));
  // Idempotent; and some stay to be used after their end.
  if (world.draw.once(4)) world.call('Mapping', label, mapping, 'unmap');
  if (!world.draw.once(6)) forget(state, mapped);
}

/** Flushes, and unmaps even if that fails. */
export async function disposeAsync(state: State, mapped: Mapped): Promise<void> {
  const { world } = state;
  const { label, mapping, core, borrowed } = mapped;
  const flushes = core.access === 'write' && !isClosed(mapped);
  const lost = core.lost || core.region?.patched(0, Math.ceil((core.delta + core.length) / P));
  const code = flushes && lost ? 'ERR_MAPPING_FAULT' : '';
  await world.callAsync('Mapping', label, mapping, Symbol.asyncDispose, [], code);
  if (borrowed) {
    mapped.ended = true;
    core.windows = core.windows.filter((window) => window.maker !== mapped || window.stays);
  } else {
    closeCore(state, core);
  }
  forget(state, mapped);
}
