// SharedMemory, share(), inherited() and setGuard() with arguments that are no good; and children that
// are told nonsense about what they were handed.

import { inspect } from 'node:util';
import { anonymous, inherited, type Mapping, map, SharedMemory, setGuard, share } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  badBoolean,
  badInteger,
  badName,
  badOptions,
  badWord,
  held,
  refused,
  refuses,
  shape,
  wrongType,
  wrongTypes,
} from './support/bad.js';
import { program, run } from './support/program.js';
import { tempFile } from './support/temp.js';

function memory(): SharedMemory {
  const made = SharedMemory.create(PAGE_SIZE);
  onTestFinished(() => made.unmap());
  return made;
}

describe('SharedMemory.create()', () => {
  test('length', () => {
    refuses('length', badInteger({ min: 1 }), (value) => SharedMemory.create(value));
  });

  test('options', () => {
    refuses('options', badOptions(), (value) => SharedMemory.create(1, value));
    const call = (name: never) => SharedMemory.create(1, { name });
    refuses('options.name', badName('undefined'), call);
  });

  test('a name that the kernel finds too long', () => {
    using longest = SharedMemory.create(1, { name: 'n'.repeat(249) });
    expect(longest.name).toHaveLength(249);
    // Bytes are counted, not letters.
    for (const name of ['n'.repeat(250), 'n'.repeat(100_000), 'é'.repeat(125)]) {
      const error = refused(() => SharedMemory.create(1, { name }));
      expect(shape(error)).toEqual({
        name: 'Error',
        code: 'EINVAL',
        errno: -22,
        syscall: 'memfd_create',
      });
    }
  });

  test('longer than a file, or than the address space', () => {
    for (const length of [Number.MAX_SAFE_INTEGER, 2 ** 52, 2 ** 48]) {
      const error = refused(() => SharedMemory.create(length));
      expect(shape(error)).toEqual({
        name: 'Error',
        code: 'ENOMEM',
        errno: -12,
        syscall: 'mmap',
      });
    }
  });

  test('does not depend on what it is called on', () => {
    const made = Reflect.apply(SharedMemory.create, undefined, [PAGE_SIZE]) as SharedMemory;
    expect(made).toBeInstanceOf(SharedMemory);
    made.unmap();
  });
});

describe('share()', () => {
  test('memory', () => {
    refuses('memory', wrongTypes('object', 'array'), (value) => share(value));
  });

  test('what is in it', () => {
    const path = tempFile(PAGE_SIZE);
    using mapping = map(path, { access: 'write' });
    using unnamed = anonymous(PAGE_SIZE);
    const lookalike = { fd: 1, name: 'it', length: 1, __proto__: SharedMemory.prototype };
    const good = memory();
    const others: Mapping[] = [mapping, unnamed];
    refuses('memory.it', [...wrongTypes(), ...wrongType(...others, good.buffer)], (it) =>
      share({ it }),
    );
    refuses('memory.it', wrongType(...others), (it) => share({ good, it }));
    refuses('memory.0', wrongType(1), (value) => share([value] as never));
    expect(shape(refused(() => share({ it: lookalike as never })))).toMatchObject({
      name: 'TypeError',
    });
  });

  test('options', () => {
    const it = memory();
    refuses('options', badOptions(), (value) => share({ it }, value));
    const stdio = wrongTypes('undefined', 'null', 'string', 'array');
    refuses('options.stdio', stdio, (value) => share({ it }, { stdio: value }));
    const env = wrongTypes('undefined', 'null', 'object');
    refuses('options.env', env, (value) => share({ it }, { env: value }));
  });

  test('memory that has been unmapped', () => {
    const closed = memory();
    closed.unmap();
    const open = memory();
    const error = refused(() => share({ open, closed }));
    expect(shape(error)).toEqual({ name: 'Error', code: 'ERR_MAPPING_CLOSED' });
  });

  test('its options are not changed when it throws', () => {
    const options = { stdio: ['ignore'], env: { KEY: 'value' } };
    const before = inspect(options);
    expect(() => share({ it: memory(), other: 1 as never }, options)).toThrow(TypeError);
    expect(inspect(options)).toBe(before);
  });
});

describe('inherited()', () => {
  test('name', () => {
    refuses('name', badName('undefined'), (value) => inherited(value));
  });

  test('options', () => {
    refuses('options', badOptions(), (value) => inherited('it', value));
    const words = [...badWord(), ...wrongType('copy')];
    refuses('options.access', words, (access) => inherited('it', { access }));
  });

  test('a name that nobody has shared', () => {
    for (const name of ['it', '', '__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(shape(refused(() => inherited(name)))).toEqual({
        name: 'Error',
        code: 'ERR_INVALID_STATE',
      });
    }
    const before = held();
    expect(inherited()).toEqual({});
    expect(held()).toEqual(before);
  });

  const invalid = { name: 'Error', code: 'ERR_INVALID_STATE' };
  const nothing = { regions: 0, mappedBytes: 0, retiredBytes: 0, descriptors: 0, faults: 0 };
  const segment = (fd: unknown) => ({ fd, device: '1', inode: '1' });

  // Not JSON, or not segments: as if nothing had been handed over.
  test.each([
    '',
    '{',
    'null',
    '1',
    '"text"',
    '[]',
    '[null]',
    '{"it":null}',
    '{"it":{}}',
    '{"it":{"fd":1}}',
    JSON.stringify({ it: { ...segment(1), device: 1 } }),
    JSON.stringify({ it: segment(-1) }),
    JSON.stringify({ it: segment('1') }),
    JSON.stringify({ it: segment(1.5) }),
    '{"it":[[[[[[[[[[[[[[[[[[[[[[[[',
  ])('a child whose environment says %j', async (text) => {
    const { code, signal, stdout, stderr } = await run(program('inherit-garbage'), ['it'], {
      env: { MEMMAP_SHARED: text },
    });
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ all: 'mapped', each: [invalid], stats: nothing });
  });

  // Segments, of descriptors that are none.
  test.each([
    { it: segment(0) },
    { it: segment(999_999) },
    { it: segment(2 ** 31) },
    { it: segment(2 ** 40) },
    { it: segment(1e300) },
    { it: { fd: 1, device: '-1', inode: 'x' } },
  ])('a child whose environment says %j', async (segments) => {
    const { code, signal, stdout, stderr } = await run(
      program('inherit-garbage'),
      ['it', '__proto__'],
      { env: { MEMMAP_SHARED: JSON.stringify(segments) } },
    );
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      variable: null,
      all: invalid,
      each: [invalid, invalid],
      stats: nothing,
      stdio: [true, true, true],
    });
  });
});

test('setGuard()', () => {
  refuses('on', badBoolean(), setGuard);
});
