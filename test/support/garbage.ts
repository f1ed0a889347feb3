// Arguments for the fuzz run: garbage of every kind, and things of the add-on's own in wrong places.

import { Buffer } from 'node:buffer';
import { inspect } from 'node:util';
import fc from 'fast-check';

/** What earlier calls have returned, to be used by later ones. */
export interface World {
  /** The owners of mappings. */
  readonly handles: object[];
  /** Of handles; some are used again by now, or by nobody. */
  readonly numbers: number[];
  readonly jobs: object[];
  readonly mutexes: object[];
  /** Of waits that have begun; most are over. */
  readonly waits: number[];
  /** ArrayBuffers over mapped memory; unmapped ones among them. */
  readonly buffers: ArrayBuffer[];
  readonly shared: SharedArrayBuffer[];
  readonly fds: readonly number[];
  /** Descriptors of mappings, or what were some. */
  readonly descriptors: number[];
  /** Descriptors that calls have returned to their caller. */
  readonly owned: number[];
  readonly paths: string[];
}

/** One argument: made when the call is, since it may be something that was there before. */
export interface Argument {
  /** The same for the same seed. */
  readonly name: string;
  make(world: World): unknown;
}

export class Hostile extends Error {
  override readonly name = 'Hostile';
}
const throws = (): never => {
  throw new Hostile('code of an argument has run');
};

const fixed = (name: string, make: (world: World) => unknown): Argument => ({ name, make });
const value = (of: unknown): Argument => fixed(inspect(of), () => of);

/** Numbers without those that would make a file or a mapping of gigabytes for real. */
const usable = (n: number): number => (n > 2 ** 24 && n < 2 ** 48 ? n * 2 ** 25 : n);

export const integer = (min: number, max: number): fc.Arbitrary<Argument> =>
  fc.integer({ min, max }).map(value);

const numbers = fc
  .oneof(
    fc.integer({ min: -8, max: 70_000 }),
    fc.double(),
    fc.constantFrom(0, -0, 1, -1, 0.5, 4095, 4096, 4097, 65_536, -(2 ** 31), 2 ** 48, 2 ** 52),
    fc.constantFrom(2 ** 53 - 1, 2 ** 53, 2 ** 63, 2 ** 64, 1e300, Infinity, -Infinity, Number.NaN),
  )
  .map(usable)
  .map(value);

/** No slash in any: a path of garbage stays in the directory of the run. */
const strings = fc
  .oneof(
    fc.string(),
    fc.string({ minLength: 200, maxLength: 5000 }),
    fc.array(fc.nat({ max: 0xffff })).map((units) => String.fromCharCode(...units)),
  )
  .map((text) => value(text.replaceAll('/', '_')));

function detached(): ArrayBuffer {
  const buffer = new ArrayBuffer(4096);
  structuredClone(buffer, { transfer: [buffer] });
  return buffer;
}
type Resizable = ArrayBuffer & { resize(length: number): void };
const resizable = (length: number, max: number): Resizable =>
  Reflect.construct(ArrayBuffer, [length, { maxByteLength: max }]) as Resizable;

/** A view whose bytes have been taken from under it. */
function outOfBounds(): Uint8Array {
  const buffer = resizable(4096, 8192);
  const view = new Uint8Array(buffer, 2048, 1024);
  buffer.resize(16);
  return view;
}
function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
const traps = Object.fromEntries(
  Object.getOwnPropertyNames(Reflect).map((trap) => [trap, throws]),
) as ProxyHandler<object>;

const oddities = fc.constantFrom(
  ...[undefined, null, true, false, 0n, -1n, 2n ** 64n, Symbol('odd'), Symbol.iterator].map(value),
  fixed('{}', () => ({})),
  fixed('without a prototype', () => Object.create(null)),
  fixed('getters that throw', () =>
    Object.defineProperties([], {
      0: { get: throws, enumerable: true },
      1: { get: throws, enumerable: true },
      byteLength: { get: throws },
      buffer: { get: throws },
      constructor: { get: throws },
      valueOf: { get: throws },
      [Symbol.toPrimitive]: { get: throws },
      [Symbol.toStringTag]: { get: throws },
    }),
  ),
  fixed('a proxy that throws', () => new Proxy({}, traps)),
  fixed('a proxy of an array', () => new Proxy([0, 1], { get: throws })),
  fixed('a callable proxy that throws', () => new Proxy(() => 0, traps)),
  fixed('a revoked proxy', revoked),
  fixed('valueOf that throws', () => ({ valueOf: throws, toString: throws })),
  fixed('a boxed number', () => new Number(3)),
  fixed('a function that throws', () => throws),
  fixed('a class', () => class {}),
  fixed('an error', () => new Error('an error')),
  fixed('a promise', () => Promise.resolve(1)),
  fixed('a date', () => new Date(0)),
  fixed('a map', () => new Map([[0, 1]])),
  fixed('globalThis', () => globalThis),
  fixed('an array without elements', () => new Array(2 ** 32 - 2)),
  fixed('an array with a hole', () => Object.assign(new Array(4), { 0: 0, 2: 1, 3: 2 })),
);

// Without the DOM's types TypeScript does not know it.
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: { Memory: new (of: object) => { buffer: ArrayBufferLike } };
};

const foreignBuffers = fc.constantFrom(
  fixed('ArrayBuffer', () => new ArrayBuffer(4096)),
  fixed('ArrayBuffer of no bytes', () => new ArrayBuffer(0)),
  fixed('detached', detached),
  fixed('view of a detached one', () => {
    const view = new Float64Array(8);
    structuredClone(view.buffer, { transfer: [view.buffer] });
    return view;
  }),
  fixed('resizable', () => resizable(16, 4096)),
  fixed('view of a resizable one', () => new Uint16Array(resizable(16, 4096))),
  fixed('view out of bounds', outOfBounds),
  fixed('DataView out of bounds', () => {
    const buffer = resizable(4096, 8192);
    const view = new DataView(buffer, 2048, 1024);
    buffer.resize(16);
    return view;
  }),
  fixed('SharedArrayBuffer', () => new SharedArrayBuffer(4096)),
  fixed('view of a shared one', () => new Int32Array(new SharedArrayBuffer(64), 4, 2)),
  fixed('DataView of a shared one', () => new DataView(new SharedArrayBuffer(64), 3, 7)),
  fixed('WebAssembly memory', () => new WebAssembly.Memory({ initial: 1 }).buffer),
  fixed('shared WebAssembly memory', () => {
    return new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true }).buffer;
  }),
  fixed('DataView', () => new DataView(new ArrayBuffer(64), 8)),
  fixed('Buffer', () => Buffer.from('some bytes')),
  fixed('BigInt64Array', () => new BigInt64Array(4)),
  fixed('proxy of an ArrayBuffer', () => new Proxy(new ArrayBuffer(8), {})),
  fixed('heir of an ArrayBuffer', () => Object.create(new ArrayBuffer(8))),
);

const choose = <T>(from: readonly T[], index: number): T | undefined => from[index % from.length];
const place = fc.nat({ max: 1000 });
const thing = (kind: keyof World): fc.Arbitrary<Argument> =>
  place.map((index) => fixed(`${kind} ${index}`, (world) => choose<unknown>(world[kind], index)));

/** A new owner. */
export const owner = fc.constant(fixed('an owner', () => ({})));
export const ownerOfMapping = thing('handles');
export const handle = fc.oneof(ownerOfMapping, thing('numbers'));
export const job = thing('jobs');
export const mutex = thing('mutexes');
export const waitId = thing('waits');
export const buffer = thing('buffers');
export const path = thing('paths');
export const fd = fc.oneof(
  { weight: 8, arbitrary: thing('fds') },
  { weight: 2, arbitrary: thing('descriptors') },
  { weight: 4, arbitrary: thing('owned') },
  { weight: 1, arbitrary: fc.constantFrom(-2, -1, 999_999, 2 ** 31 - 1, 2 ** 31).map(value) },
);
type ViewClass = new (buffer: ArrayBuffer, offset: number, length: number) => ArrayBufferView;
const classes: readonly ViewClass[] = [
  ...[Uint8Array, Int16Array, Uint32Array, Float64Array, BigUint64Array, DataView],
];
/** Of a SharedArrayBuffer over mapped memory: Node-API does not see the buffer itself. */
export const sharedView = thing('shared').map((of) =>
  fixed(`view of ${of.name}`, (world) => {
    const memory = of.make(world);
    return memory === undefined ? memory : new Uint8Array(memory as SharedArrayBuffer);
  }),
);
/** A view of mapped memory, wherever it fits. */
export const view = fc.tuple(buffer, fc.constantFrom(...classes), place).map(([of, Class, at]) =>
  fixed(`${Class.name} at ${at} of ${of.name}`, (world) => {
    const memory = of.make(world);
    if (!(memory instanceof ArrayBuffer)) return memory;
    const offset = (at * 8) % Math.max(memory.byteLength & ~7, 8);
    return memory.byteLength < offset + 8 ? memory : new Class(memory, offset, 1);
  }),
);

/** Elements of 32 bits over memory that may be shared. */
export const cell = fc
  .tuple(fc.oneof(thing('buffers'), thing('shared')), fc.constantFrom(Int32Array, Uint32Array))
  .map(([of, Class]) =>
    fixed(`${Class.name} of ${of.name}`, (world) => {
      const memory = of.make(world) as ArrayBuffer | undefined;
      const fits = memory !== undefined && memory.byteLength > 0 && memory.byteLength % 4 === 0;
      return fits ? new Class(memory) : memory;
    }),
  );

/** An array of anything. */
const arrays = fc
  .array(fc.oneof(numbers, numbers, handle, oddities), { maxLength: 9 })
  .map((items) => fixed(`[${items.map((item) => item.name)}]`, (w) => items.map((i) => i.make(w))));

export const pairs = fc
  .array(fc.nat({ max: 9000 }), { maxLength: 8 })
  .map((all) => value(all.slice(all.length & 1)));

export const garbage: fc.Arbitrary<Argument> = fc.oneof(
  numbers,
  strings,
  oddities,
  foreignBuffers,
  arrays,
  handle,
  job,
  mutex,
  waitId,
  buffer,
  view,
  cell,
  sharedView,
  fd,
  path,
);
export const anyName = fc.oneof(
  path,
  strings,
  path.map((of) => fixed(`bytes of ${of.name}`, (world) => Buffer.from(String(of.make(world))))),
);
export const oneOf = (...of: unknown[]): fc.Arbitrary<Argument> =>
  fc.constantFrom(...of.map(value));
/** One of the first, and now and then some of the bits besides. */
export const flags = (one: readonly number[], bits: readonly number[]): fc.Arbitrary<Argument> =>
  fc
    .tuple(fc.constantFrom(...one), fc.oneof(fc.constant([]), fc.subarray([...bits])))
    .map(([first, some]) => value(some.reduce((all, bit) => all | bit, first)));
