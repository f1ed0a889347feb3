// Handing shared memory to other processes: share() in the parent, inherited() in the child.
import { invalidType, stateError } from './errors.js';
import { constructorKey, handleOf } from './mapping.js';
import { native } from './native.js';
import { accessNumber, SharedMemory } from './shared-memory.js';
import { threads } from './threads.js';
import * as validate from './validate.js';

/** Where a child finds what it was handed: names, descriptors, and which segment each should be. */
const VARIABLE = 'MEMMAP_SHARED';
/** The same for workers, which may start after the variable has been taken out of the environment. */
const WORKER_DATA = 'memmap:inherited';

interface Segment {
  fd: number;
  device: string;
  inode: string;
}
type Segments = Record<string, Segment>;

type Stdio = string | unknown[] | null | undefined;

function stdioArray(stdio: Stdio, silent: unknown): unknown[] {
  if (Array.isArray(stdio)) {
    const copy = [...stdio];
    // As child_process does, so that the places after it are what they seem.
    while (copy.length < 3) copy.push(undefined);
    return copy;
  }
  if (stdio !== undefined && stdio !== null && typeof stdio !== 'string') {
    throw invalidType('options.stdio', 'a string or an array', stdio);
  }
  const all = stdio || (silent ? 'pipe' : 'inherit');
  return [all, all, all, 'ipc'];
}

/**
 * Options for Node's own `fork()` or `spawn()`, so that the child finds the memory with `inherited()`.
 * What the caller passed stays: descriptors are added after the places of `stdio`, and one variable to
 * `env`. `options` itself is not changed.
 *
 * Without a `stdio` it is fork's default (`inherit`, and `'ipc'`); so for `spawn` pass an array. `share`
 * may be applied to its own result.
 *
 * @param memory by the names that the child will ask for
 * @throws TypeError `ERR_INVALID_ARG_TYPE`; Error `ERR_MAPPING_CLOSED`.
 * @example
 * const child = fork('./worker.js', share({ table, counter }, { silent: true }));
 */
export function share<T extends object>(memory: Record<string, SharedMemory>, options?: T): T {
  if (memory === null || typeof memory !== 'object') {
    throw invalidType('memory', 'an object of SharedMemory', memory);
  }
  const given = validate.options<object>(options) as {
    stdio?: Stdio;
    silent?: unknown;
    env?: Record<string, string | undefined>;
  };
  const stdio = stdioArray(given.stdio, given.silent);
  if (given.env != null && (typeof given.env !== 'object' || Array.isArray(given.env))) {
    throw invalidType('options.env', 'an object', given.env);
  }
  const env = { ...(given.env ?? process.env) };
  // Of what the environment says, what these options hand over: not what somebody else's did. By name,
  // whatever the name: `__proto__` too.
  const handed = Object.entries(parse(env[VARIABLE]) ?? {});
  const segments = new Map(handed.filter(([, segment]) => isAt(stdio[segment.fd], segment)));
  for (const [name, value] of Object.entries(memory)) {
    if (!(value instanceof SharedMemory))
      throw invalidType(`memory.${name}`, 'a SharedMemory', value);
    // Of the mapping itself: an object that only inherits from SharedMemory is refused here.
    const fd = native.descriptorOf(handleOf(value));
    const { device, inode } = native.identify(fd);
    // The child has it at its place in the array. That of what the name stood for before is free again.
    const place = segments.get(name)?.fd ?? stdio.length;
    stdio[place] = fd;
    segments.set(name, { fd: place, device, inode });
  }
  env[VARIABLE] = JSON.stringify(Object.fromEntries(segments));
  return { ...options, stdio, env } as unknown as T;
}

function isSegment(value: unknown): value is Segment {
  const s = value as Partial<Segment> | null;
  return (
    typeof s === 'object' &&
    s !== null &&
    Number.isInteger(s.fd) &&
    (s.fd as number) >= 0 &&
    typeof s.device === 'string' &&
    typeof s.inode === 'string'
  );
}

/** The variable comes from outside: anything may stand in it. */
function parse(text: string | undefined): Segments | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    return Object.fromEntries(Object.entries(value).filter(([, segment]) => isSegment(segment)));
  } catch {
    return undefined;
  }
}

/** Whether the descriptor is the very segment that was shared. */
function isAt(fd: unknown, segment: Segment): boolean {
  try {
    const { device, inode } = native.identify(fd as number);
    return device === segment.device && inode === segment.inode;
  } catch {
    return false;
  }
}

const verified = (segment: Segment): boolean => isAt(segment.fd, segment);

const claimedBefore = () =>
  threads().getEnvironmentData(WORKER_DATA) as unknown as Segments | undefined;

/**
 * Takes what the parent handed over out of the environment, once: a grandchild that was handed nothing
 * has some other file under that number. Descriptors that are not what the parent said stay untouched.
 */
function claim(): Segments {
  const known = claimedBefore();
  if (known !== undefined) return known;
  const segments = parse(process.env[VARIABLE]);
  if (segments === undefined) return {};
  // Other workers may share this environment, and ask later; what is left in it leads nowhere.
  if (threads().isMainThread) delete process.env[VARIABLE];
  for (const segment of Object.values(segments)) {
    if (verified(segment)) native.setCloseOnExec(segment.fd);
  }
  threads().setEnvironmentData(WORKER_DATA, segments as never);
  return segments;
}

// Without the variable there is nothing to take, now or later: what is put there from here on is for children.
let claimed = process.env[VARIABLE] === undefined ? undefined : claim();

function handedOver(): Segments {
  claimed ??= claimedBefore() ?? {};
  return claimed;
}

function open(name: string, access: number): SharedMemory {
  const segments = handedOver();
  const segment = Object.hasOwn(segments, name) ? segments[name] : undefined;
  if (segment === undefined || !verified(segment)) {
    throw stateError(
      'ERR_INVALID_STATE',
      segment === undefined
        ? `The parent process has shared no memory named '${name}'`
        : `Descriptor ${segment.fd} is not the memory that the parent shared as '${name}'`,
    );
  }
  const make = (owner: object) => native.mapFile(owner, segment.fd, access, 0, 0, 0);
  return new SharedMemory(constructorKey, make, name);
}

/**
 * Memory that the parent process handed over with `share()`. Called again it gives a further mapping of
 * the same segment, after an `unmap()` too, and in workers of this process as well.
 *
 * @param name as in `share()`; without it, all there are
 * @param options `access`: default `'write'`
 * @throws TypeError `ERR_INVALID_ARG_TYPE`; Error `ERR_INVALID_STATE`: nothing of that name was handed
 *   over, or the descriptor is not the segment that was shared.
 * @example
 * const counter = new Int32Array(inherited('counter').buffer);
 * Atomics.add(counter, 0, 1);
 */
export function inherited(name: string, options?: { access?: 'read' | 'write' }): SharedMemory;
export function inherited(): Record<string, SharedMemory>;
export function inherited(
  name?: string,
  options?: { access?: 'read' | 'write' },
): SharedMemory | Record<string, SharedMemory> {
  const mode = accessNumber(validate.options(options).access);
  if (name !== undefined) return open(validate.string('name', name), mode);
  return Object.fromEntries(Object.keys(handedOver()).map((key) => [key, open(key, mode)]));
}
