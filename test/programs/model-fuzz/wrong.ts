// Calls with an argument that is no good: each is refused before anything happens.

import * as memmap from 'memmap';
import { Mapping, SharedMemory } from 'memmap';
import { Channel } from 'memmap/channel';
import * as posix from 'memmap/posix';
import * as sync from 'memmap/sync';
import { Mutex } from 'memmap/sync';
import type { State } from './state.js';
import type { Expected } from './world.js';

type Bad = [value: unknown, code: Expected];

const TYPE = 'ERR_INVALID_ARG_TYPE';
const RANGE = 'ERR_OUT_OF_RANGE';
const MAX = Number.MAX_SAFE_INTEGER;
const never = () => {
  throw new Error('an argument was asked');
};
const objects: unknown[] = [null, {}, [], { valueOf: never }, Symbol('odd'), () => 1, 1n];
const types = (...more: unknown[]): Bad[] => [...objects, ...more].map((value) => [value, TYPE]);

/** A number of bytes, or another integer. */
function integer(max = MAX, min = 0): Bad[] {
  const out = [min - 1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, max + 1, -Number.MAX_VALUE];
  return [...types('1', true), ...out.map((value): Bad => [value, RANGE])];
}
const required = (bad: Bad[]): Bad[] => [...bad, [undefined, TYPE]];
const word = types('', 'READ', 'huge', 1, true);
const text: Bad[] = required(types(1, true, 'with\0zero'));
const boolean = types(1, 'true');
const options: Bad[] = [
  [null, TYPE],
  [[], TYPE],
  [1, TYPE],
  ['a', TYPE],
  [() => 1, TYPE],
];
const milliseconds: Bad[] = [...types('1', true), [-1, RANGE], [Number.NaN, RANGE]];
const signal = types(1, 'abort');
/** Given as this option. */
const option = (name: string, bad: Bad[], more: object = {}): Bad[] =>
  bad.map(([value, code]) => [{ ...more, [name]: value }, code]);
const region = required(
  types(1, 'x', new ArrayBuffer(8), new Uint8Array(8), new SharedArrayBuffer(8)),
);
const view: Bad[] = required(types(1, 'x', class {}, Array));
const INT = 2 ** 31 - 1;

interface Call {
  kind: string;
  target: object;
  method: PropertyKey;
  /** What comes before the bad one, and behind it. */
  before: unknown[];
  bad: Bad[];
  after?: unknown[];
  isAsync?: boolean;
}

const functions = (kind: string, target: object, all: [string, unknown[], Bad[], unknown[]?][]) =>
  all.map(([method, before, bad, after]): Call => {
    return { kind, target, method, before, bad, after: after ?? [] };
  });

const access = option('access', types('copy', '', 1));
const FIXED: readonly Call[] = [
  ...functions('memmap', memmap, [
    ['map', [], required(types('a\0', true, { fd: 'x' }))],
    ['map', ['missing'], options],
    ['map', ['missing'], option('offset', integer())],
    ['map', ['missing'], option('length', integer())],
    ['map', ['missing'], option('reserve', integer(MAX, 8), { length: 8 })],
    ['map', ['missing'], option('access', word)],
    ['map', ['missing'], option('advice', word)],
    ['map', ['missing'], option('create', [...boolean, [true, TYPE]])],
    ['map', ['missing'], option('sparse', boolean)],
    ['map', ['missing'], option('populate', boolean)],
    ['map', ['missing'], option('lock', boolean)],
    ['anonymous', [], required(integer(MAX, 1))],
    ['anonymous', [1], options],
    ['anonymous', [1], option('shared', boolean)],
    [
      'share',
      [],
      required([
        [null, TYPE],
        [1, TYPE],
        [{ a: 1 }, TYPE],
        [{ a: {} }, TYPE],
      ]),
    ],
    ['share', [{}], options],
    [
      'share',
      [{}],
      option(
        'stdio',
        types(1).filter(([v]) => v !== null && !Array.isArray(v)),
      ),
    ],
    ['inherited', [], types(1, true, 'a\0')],
    ['inherited', ['a'], options],
    ['inherited', ['a'], access],
    ['setGuard', [], required(boolean)],
  ]),
  ...functions('SharedMemory', SharedMemory, [
    ['create', [], required(integer(MAX, 1))],
    ['create', [1], options],
    ['create', [1], option('name', types(1, 'a\0'))],
    ['adopt', [], required(integer(INT))],
    ['adopt', [0], options],
    ['adopt', [0], access],
    ['adopt', [0], option('trusted', boolean)],
    ['createNamed', [], [...text, ['', TYPE], ['a/b', TYPE], ['..', TYPE]], [1]],
    ['createNamed', ['a'], required(integer(MAX, 1))],
    ['createNamed', ['a', 1], option('mode', integer(0o7777))],
    ['createNamed', ['a', 1], option('exclusive', boolean)],
    ['open', [], [...text, ['', TYPE], ['/', TYPE], ['/a/b', TYPE]]],
    ['open', ['a'], access],
    ['unlink', [], [...text, ['', TYPE], ['.', TYPE]]],
  ]),
  ...functions('Mapping', Mapping, [
    ['from', [], region.filter(([v]) => !(v instanceof SharedArrayBuffer))],
  ]),
  ...functions('Mapping', Mapping, [['from', [], [[new SharedArrayBuffer(8), TYPE]]]]),
  ...functions('Channel', Channel, [
    ['create', [], required(options)],
    ['create', [], option('capacity', required(integer(2 ** 30, 64)))],
    ['create', [], option('producers', integer(1024, 1), { capacity: 64 })],
    ['open', [], required(types(1, 'x'))],
  ]),
  ...functions('posix', posix, [
    ['mmap', [], required(integer()), [1, 2]],
    ['mmap', [1], required(integer(INT)), [2]],
    [
      'mmap',
      [1],
      [
        [8, RANGE],
        [64, RANGE],
      ],
      [2],
    ],
    ['mmap', [1, 1], required(integer(0xffff_ffff, -(2 ** 31)))],
    [
      'mmap',
      [1, 1],
      [
        [0x12, RANGE],
        [0x10_0002, RANGE],
        [0x102, RANGE],
      ],
    ],
    ['mmap', [1, 1, 2], integer(INT, -1)],
    ['mmap', [1, 1, 2, 0], integer()],
    ['munmap', [], region],
    ['msync', [], region, [4]],
    ['madvise', [], region, [0]],
    ['mprotect', [], region, [1]],
    ['mlock', [], region],
    ['munlock', [], region],
    ['mincore', [], region],
    ['mremap', [], region, [1]],
    ['ftruncate', [], required(integer(INT)), [1]],
    ['ftruncate', [1_000_000], required(integer())],
    ['ftruncate', [1_000_000, 1], [[undefined, 'EBADF']]],
    ['memfd_create', [], text],
    ['memfd_create', ['a'], integer(0xffff_ffff)],
    ['memfd_create', ['a'.repeat(250)], [[0, 'EINVAL']]],
    ['memfd_create', ['a'], [[0x4000_0000, 'EINVAL']]],
    ['shm_open', [], text, [0]],
    ['shm_open', ['a'], required(integer(INT))],
    ['shm_open', ['a', 0], integer(0o7777)],
    ['shm_open', ['a'.repeat(300)], [[0, ['ENAMETOOLONG', 'EINVAL']]]],
    ['shm_unlink', [], text],
    ['add_seals', [], required(integer(INT)), [1]],
    ['add_seals', [1_000_000], [[1, 'EBADF']]],
    ['add_seals', [0], required(integer(INT))],
    ['get_seals', [], [...required(integer(INT)), [1_000_000, 'EBADF']]],
  ]),
  ...functions('sync', sync, [
    [
      'wait',
      [],
      required(types(1, new Uint8Array(8), new BigInt64Array(1), new Int32Array(2))),
      [0, 0, 0],
    ],
    ['wait', [new Int32Array(2)], required(integer(1)), [0, 0]],
    ['wait', [new Int32Array(2), 0], required(integer(INT, -(2 ** 31)))],
    ['wait', [new Uint32Array(2), 0], required(integer(2 ** 32 - 1))],
    ['wait', [new Int32Array(2), 0, 0], milliseconds],
    ['notify', [], required(types(1, new Uint8Array(8), new Int32Array(2))), [0]],
    ['notify', [new Int32Array(2)], required(integer(1))],
    ['notify', [new Int32Array(2), 0], integer().filter(([v]) => v !== Number.POSITIVE_INFINITY)],
  ]),
  ...functions('sync', sync, [
    ['waitAsync', [], required(types(1, new Int32Array(2))), [0, 0]],
    ['waitAsync', [new Int32Array(2)], required(integer(1)), [0]],
    ['waitAsync', [new Int32Array(2), 0, 0], options],
    ['waitAsync', [new Int32Array(2), 0, 0], option('timeout', milliseconds)],
    ['waitAsync', [new Int32Array(2), 0, 0], option('signal', signal)],
  ]).map((call) => ({ ...call, isAsync: true })),
];

/** Of a Mapping with so many bytes. */
const ofMapping = (target: Mapping): Call[] => {
  const { length } = target;
  const range = (method: string, before: unknown[] = []): [string, unknown[], Bad[]][] => [
    [method, before, integer(length)],
    [method, [...before, 0], integer(length)],
  ];
  return [
    ...functions('Mapping', target, [
      ...range('flushSync'),
      ...range('lock'),
      ...range('unlock'),
      ...range('residency'),
      ...range('advise', ['normal']),
      ...range('protect', ['read']),
      ['advise', [], [...required(word), ['hwpoison', TYPE]]],
      ['protect', [], [...required(word), ['copy', TYPE]]],
      ['view', [], view],
      ['view', [Uint8Array], integer(length)],
      ['view', [Uint8Array, 0], integer(length)],
      ['windows', [], view, [1]],
      ['windows', [Uint8Array], required(integer(MAX, 1))],
      ['resize', [], required(integer(MAX - target.offset))],
      ['slide', [], required(integer(MAX - length))],
    ]),
    ...functions('Mapping', target, [
      ['flush', [], integer(length).filter(([v]) => !Array.isArray(v))],
      ['flush', [0], integer(length)],
      [
        'flush',
        [],
        [
          [[1], TYPE],
          [[[0]], TYPE],
          [[[0, length + 1]], RANGE],
          [[[0, '1']], TYPE],
        ],
      ],
      ...range('prefetch'),
    ]).map((call) => ({ ...call, isAsync: true })),
    ...(target instanceof SharedMemory
      ? functions('SharedMemory', target, [['seal', [], required(types('read', 1))]])
      : []),
  ];
};

const mappings = new WeakMap<Mapping, [length: number, offset: number, calls: Call[]]>();
function callsOf(mapping: Mapping): Call[] {
  const { length, offset } = mapping;
  const known = mappings.get(mapping);
  if (known !== undefined && known[0] === length && known[1] === offset) return known[2];
  const calls = ofMapping(mapping);
  mappings.set(mapping, [length, offset, calls]);
  return calls;
}

export function wrongCall(state: State): Promise<unknown> | undefined {
  const { world, mapped } = state;
  const { draw } = world;
  const some = mapped.length > 0 && draw.once(2) ? draw.of(mapped) : undefined;
  const {
    kind,
    target,
    method,
    before,
    bad,
    after = [],
    isAsync,
  } = draw.of(some === undefined ? FIXED : callsOf(some.mapping));
  const [value, code] = draw.of(bad);
  const args = [...before, value, ...after];
  const on =
    some?.label ??
    (kind === 'Mapping' || kind === 'SharedMemory' || kind === 'Channel' ? kind : '');
  if (isAsync) return world.callAsync(kind, on, target, method, args, code);
  world.call(kind, on, target, method, args, code);
  return undefined;
}

/** What is made by this package only, or of a mapping that is none. */
export function wrongMake(state: State): void {
  const { world } = state;
  const key = world.draw.of([undefined, Symbol('key'), {}]);
  const which = world.draw.below(4);
  if (which === 0) world.make('Mapping', Mapping as never, [key, {}], TYPE);
  else if (which === 1) world.make('SharedMemory', SharedMemory as never, [key, {}], TYPE);
  else if (which === 2) world.make('Channel', Channel as never, [key, {}], TYPE);
  else world.make('Mutex', Mutex, [world.draw.of([undefined, {}, 1]), 0], TYPE);
}
