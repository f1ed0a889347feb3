// SharedMemory, and handing it over.

import { openSync } from 'node:fs';
import * as memmap from 'memmap';
import { inherited, SharedMemory } from 'memmap';
import { F_SEAL } from 'memmap/posix';
import { P, READ, WRITE } from './memory.js';
import { bytes, isWriteSealed, makeRegion } from './operations-map.js';
import { PREFIX } from './operations-posix.js';
import { isClosed, type Mapped, type OpenFile, type State } from './state.js';
import type { Expected } from './world.js';

const CLOSED = 'ERR_MAPPING_CLOSED';
const FIXED_SIZE = F_SEAL.SHRINK | F_SEAL.GROW;
const S = 'SharedMemory';

const ownDescriptor = (memory: SharedMemory): number =>
  openSync(`/proc/self/fd/${memory.fd}`, 'r+');

function add(
  state: State,
  memory: SharedMemory,
  open: OpenFile,
  length: number,
  access: 'read' | 'write',
): void {
  const core = state.newCore(state.label('memory'), { open, length, access });
  core.region = makeRegion(state, core, 0, access === 'read' ? READ : WRITE);
  state.addMapping(memory, core);
}

export function create(state: State): void {
  const { world } = state;
  const length = 1 + bytes(state, 6 * P);
  const name = world.draw.once(2) ? state.label('segment') : undefined;
  const args = name === undefined ? [length] : [length, { name }];
  const memory = world.call<SharedMemory>(S, S, SharedMemory, 'create', args) as SharedMemory;
  world.equal('name', world.get(S, 'memory', memory, 'name'), name);
  const fd = ownDescriptor(memory);
  const open = state.adoptFile(state.label('memfd'), fd, length, undefined, FIXED_SIZE);
  add(state, memory, open, length, 'write');
}

/** Of memory that a parent process has handed over, if one has. */
export function inherit(state: State, handed: OpenFile | undefined): void {
  const { world } = state;
  const access = world.draw.of(['read', 'write', undefined] as const);
  const options = access === undefined ? [] : [{ access }];
  let code = handed === undefined ? 'ERR_INVALID_STATE' : '';
  if (handed !== undefined && access !== 'read' && isWriteSealed(handed)) code = 'EPERM';
  const args = ['handed', ...options];
  const memory = world.call<SharedMemory>('memmap', '', memmap, 'inherited', args, code);
  world.call('memmap', '', memmap, 'inherited', ['other'], 'ERR_INVALID_STATE');
  if (memory !== undefined && handed !== undefined) {
    add(state, memory, handed, handed.model.size, access ?? 'write');
  }
}

/** The file of what the parent has handed over. */
export function findHanded(state: State): OpenFile | undefined {
  const { handed } = inherited();
  if (handed === undefined) return undefined;
  const open = state.adoptFile(
    'handed',
    ownDescriptor(handed),
    handed.length,
    undefined,
    FIXED_SIZE,
  );
  open.model.bytes.set(handed.bytes);
  handed.unmap();
  return open;
}

export function adopt(state: State): void {
  const { world, files } = state;
  const { draw } = world;
  const open = draw.of(files);
  const readOnly = draw.once(4);
  const access = draw.of(['read', 'write', 'write'] as const);
  const trusted = draw.once(2);
  const { size } = open.model;
  const writes = access === 'write';
  let code = '';
  const sealed = ((open.seals ?? 0) & FIXED_SIZE) === FIXED_SIZE;
  if (!trusted && !sealed) code = 'ERR_INVALID_STATE';
  else if (writes && readOnly) code = 'EACCES';
  else if (size === 0) code = 'ERR_OUT_OF_RANGE';
  else if (writes && isWriteSealed(open)) code = 'EPERM';
  const fd = readOnly ? open.readFd : open.fd;
  const args = [fd, { access, trusted }];
  const memory = world.call<SharedMemory>(S, S, SharedMemory, 'adopt', args, code);
  if (memory !== undefined) add(state, memory, open, size, access);
}

/** By a name: which may be new, or in use. */
export function named(state: State): void {
  const { world, files } = state;
  const { draw } = world;
  const there = files.find(({ path }) => path?.startsWith(`/dev/shm/${PREFIX}`));
  const use = draw.once(2) ? there : undefined;
  const name = use?.path?.slice('/dev/shm/'.length) ?? PREFIX + state.label('named');
  const length = 1 + bytes(state, 4 * P);
  const exclusive = draw.once(3);
  let code = '';
  if (use !== undefined && exclusive) code = 'EEXIST';
  else if (use !== undefined && use.model.size < length) code = 'ERR_OUT_OF_RANGE';
  const args = [draw.once(2) ? name : `/${name}`, length, { exclusive, mode: 0o600 }];
  const memory = world.call<SharedMemory>(S, S, SharedMemory, 'createNamed', args, code);
  if (memory === undefined) return;
  world.equal('name', world.get(S, 'memory', memory, 'name'), args[0]);
  const open = use ?? state.openThere(name, `/dev/shm/${name}`, length);
  add(state, memory, open, length, 'write');
}

export function openNamed(state: State): void {
  const { world, files } = state;
  const { draw } = world;
  const open = files.find(({ path }) => path?.startsWith(`/dev/shm/${PREFIX}`));
  if (open?.path === undefined || draw.once(8)) {
    world.call(S, S, SharedMemory, 'open', [`${PREFIX}missing`], 'ENOENT');
    world.call(S, S, SharedMemory, 'unlink', [`${PREFIX}missing`], 'ENOENT');
    return;
  }
  const name = open.path.slice('/dev/shm/'.length);
  if (draw.once(6)) {
    world.call(S, S, SharedMemory, 'unlink', [name]);
    open.path = undefined;
    return;
  }
  const access = draw.of(['read', 'write'] as const);
  const { size } = open.model;
  const code = size === 0 ? 'ERR_OUT_OF_RANGE' : '';
  const args = [name, { access }];
  const memory = world.call<SharedMemory>(S, S, SharedMemory, 'open', args, code);
  if (memory !== undefined) add(state, memory, open, size, access);
}

function sealCode(mapped: Mapped): Expected {
  const { core } = mapped;
  if (isClosed(mapped)) return CLOSED;
  const seals = core.open?.seals;
  // What is open to be read only, a file of tmpfs, and a file that is none.
  if (core.access === 'read' || seals === undefined) return ['EPERM', 'EINVAL'];
  return (seals & F_SEAL.SEAL) !== 0 ? 'EPERM' : '';
}

export function seal(state: State, mapped: Mapped): void {
  const { world } = state;
  const { label, mapping, core } = mapped;
  if (!(mapping instanceof SharedMemory)) return;
  const fd = world.get<number>(S, label, mapping, 'fd', isClosed(mapped) ? CLOSED : '');
  world.get(S, label, mapping, 'name');
  if (fd !== undefined && fd < 0) world.fail('fd', fd, 'a descriptor');
  if (!world.draw.once(8)) return;
  const code = sealCode(mapped);
  world.call(S, label, mapping, 'seal', ['write'], code);
  if (code === '' && core.open !== undefined) {
    core.open.seals = (core.open.seals ?? 0) | F_SEAL.FUTURE_WRITE;
  }
}

export function share(state: State, mapped: Mapped): void {
  const { world } = state;
  const { mapping } = mapped;
  if (!(mapping instanceof SharedMemory)) return;
  const code = isClosed(mapped) ? CLOSED : '';
  const given = { stdio: ['ignore', 'pipe'], env: { A: 'b' }, cwd: '/' };
  const args = [{ table: mapping }, given];
  const got = world.call<typeof given>('memmap', '', memmap, 'share', args, code);
  if (got === undefined) return;
  const { MEMMAP_SHARED, ...env } = got.env as Record<string, string>;
  world.equal('stdio', got.stdio, ['ignore', 'pipe', undefined, mapping.fd]);
  world.equal('env', env, given.env);
  world.equal('cwd', got.cwd, '/');
  const told = JSON.parse(MEMMAP_SHARED ?? '') as { table: { fd: number } };
  world.equal('place', told.table.fd, 3);
}
