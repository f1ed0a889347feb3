// memmap/channel with arguments that are no good, and memory that is no channel, or none any more.
import { types } from 'node:util';
import { anonymous, map, SharedMemory } from 'memmap';
import { Channel } from 'memmap/channel';
import { PAGE_SIZE } from 'memmap/posix';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  type Bad,
  badInteger,
  badOptions,
  outOfRange,
  refused,
  refuses,
  rejectsAll,
  shape,
  thrown,
  wrongType,
  wrongTypes,
} from './support/bad.js';
import { AT, bytes, channel, DATA, ends, takeAll, Words } from './support/channel.js';
import { tempFile } from './support/temp.js';

const CORRUPT = { name: 'Error', code: 'ERR_CHANNEL_CORRUPT' };

describe('Channel.create()', () => {
  test('options', () => {
    refuses('options', wrongTypes('object', 'undefined'), (value) => Channel.create(value));
    refuses('options.capacity', wrongType(undefined), (value) => Channel.create(value));
  });

  test('capacity', () => {
    refuses('options.capacity', badInteger({ min: 64, max: 2 ** 30 }), (capacity) =>
      Channel.create({ capacity }),
    );
  });

  test('producers', () => {
    refuses('options.producers', badInteger({ min: 1, max: 1024 }, 'undefined'), (producers) =>
      Channel.create({ capacity: 64, producers }),
    );
  });

  test('does not depend on what it is called on', () => {
    const made = Reflect.apply(Channel.create, undefined, [{ capacity: 64 }]) as Channel;
    expect(made).toBeInstanceOf(Channel);
    made.memory.unmap();
  });
});

/** Of whatever kind, but no Uint8Array. */
const noMessage = (): Bad[] => [
  ...wrongTypes(),
  ...wrongType(
    new ArrayBuffer(8),
    new SharedArrayBuffer(8),
    new DataView(new ArrayBuffer(8)),
    new Uint8ClampedArray(8),
    new Int8Array(8),
    new Uint16Array(8),
    new Float64Array(1),
    Object.create(Uint8Array.prototype),
    Object.create(Buffer.from('heir')),
    new Proxy(new Uint8Array(8), {}),
    { length: 8, __proto__: Uint8Array.prototype },
  ),
];
const badTimeout = (): Bad[] => [
  ...wrongTypes('undefined', 'number'),
  ...outOfRange(Number.NaN, -1, -Infinity, -Number.MIN_VALUE),
];
const badSignal = (): Bad[] => [
  ...wrongTypes('undefined'),
  ...wrongType({ aborted: false }, new EventTarget(), new AbortController()),
];

describe('a sender', () => {
  const state = (made: Channel) => () => [...made.memory.bytes.subarray(0, DATA)];

  test('message', async () => {
    const { channel: made, sender } = ends(64);
    const bad = [...noMessage(), ...outOfRange(new Uint8Array(25), new Uint8Array(1 << 20))];
    const same = state(made);
    // An Uint8Array that is too long is refused for its length.
    const name = (value: unknown) => (types.isUint8Array(value) ? 'message.length' : 'message');
    for (const one of bad) {
      const about = name(one[0]);
      refuses(about, [one], (value) => sender.trySend(value), same);
      refuses(about, [one], (value) => sender.sendSync(value), same);
      await rejectsAll(about, [one], (value) => sender.send(value), same);
    }
  });

  test('timeout', () => {
    const { channel: made, sender } = ends(64);
    refuses('timeout', badTimeout(), (value) => sender.sendSync(bytes(1), value), state(made));
  });

  test('options and signal', async () => {
    const { channel: made, sender } = ends(64);
    const same = state(made);
    await rejectsAll('options', badOptions(), (value) => sender.send(bytes(1), value), same);
    const call = (signal: never) => sender.send(bytes(1), { signal });
    await rejectsAll('options.signal', badSignal(), call, same);
  });

  test('a message whose class says another length is as long as it is', () => {
    const { sender, receiver } = ends(256);
    for (const length of [-100, 0, 5, 1000, 2 ** 32, Number.NaN, '7', undefined, {}]) {
      class Liar extends Uint8Array {}
      for (const name of ['length', 'byteLength', 'byteOffset']) {
        Object.defineProperty(Liar.prototype, name, { get: () => length });
      }
      for (const real of [10, 110]) {
        const message = new Liar(real);
        for (let i = 0; i < real; i++) message[i] = i;
        expect(sender.trySend(bytes(3))).toBe(true);
        expect(sender.trySend(message)).toBe(true);
        const got = takeAll(receiver);
        expect(got.map((one) => one.length)).toEqual([3, real]);
        expect(got[1]?.every((byte, i) => byte === i)).toBe(true);
      }
      expect(thrown(() => sender.trySend(new Liar(121)))).toMatchObject({ name: 'RangeError' });
    }
  });

  test('a message that is detached, or out of the bounds of its buffer, is empty', () => {
    const { sender, receiver } = ends(256);
    const detached = new Uint8Array(8);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const buffer = Reflect.construct(ArrayBuffer, [64, { maxByteLength: 64 }]) as ArrayBuffer & {
      resize(length: number): void;
    };
    const outside = new Uint8Array(buffer, 32, 16);
    buffer.resize(8);
    for (const message of [detached, outside]) {
      expect(sender.trySend(message)).toBe(true);
      expect(receiver.tryReceive()).toHaveLength(0);
    }
  });
});

describe('a receiver', () => {
  test('timeout', () => {
    const { receiver } = ends(64);
    refuses('timeout', badTimeout(), (value) => receiver.receiveSync(value));
  });

  test('options and signal', async () => {
    const { sender, receiver } = ends(64);
    sender.trySend(bytes(3));
    await rejectsAll('options', badOptions(), (value) => receiver.receive(value));
    await rejectsAll('options.signal', badSignal(), (signal) => receiver.receive({ signal }));
    expect(receiver.tryReceive()).toHaveLength(3);
  });

  test('each and limit', () => {
    const { sender, receiver } = ends(64);
    sender.trySend(bytes(3));
    refuses('each', wrongTypes('function'), (value) => receiver.drain(value));
    // Infinity is all.
    const bad = badInteger({}, 'undefined').filter(([value]) => value !== Infinity);
    refuses('limit', bad, (value) => receiver.drain(() => {}, value));
    class NoFunction {}
    expect(thrown(() => receiver.drain(NoFunction as never))).toBeInstanceOf(TypeError);
    expect(receiver.tryReceive()).toBeUndefined();
  });
});

test('methods that are called on something else throw, and nothing happens', async () => {
  const { channel: made, sender, receiver } = ends(64);
  sender.trySend(bytes(5));
  const others = [undefined, null, 1, {}, made, sender, receiver, Object.create(sender)];
  const on = (end: object, names: string[]) => {
    for (const name of names) {
      const method = Reflect.get(end, name) as (...args: unknown[]) => unknown;
      for (const other of others.filter((one) => one !== end)) {
        const args = name.startsWith('receive') ? [] : [bytes(1)];
        const call = () => Reflect.apply(method, other, args);
        if (name === 'send' || name === 'receive') {
          (call() as Promise<unknown>).then(
            () => expect.unreachable(),
            () => {},
          );
        } else expect(thrown(call)).toBeInstanceOf(Error);
      }
    }
  };
  on(sender, ['trySend', 'send', 'sendSync']);
  on(receiver, ['tryReceive', 'receive', 'receiveSync', 'drain', 'ref', 'unref']);
  on(made, ['sender', 'receiver']);
  expect(receiver.tryReceive()).toHaveLength(5);
  expect(sender.closed || receiver.closed).toBe(false);
});

describe('Channel.open()', () => {
  const memoryOf = (length: number): SharedMemory => {
    const made = SharedMemory.create(length);
    onTestFinished(() => made.unmap());
    return made;
  };

  test('what is no memory', () => {
    const { memory } = channel(64);
    const bad = [...wrongTypes(), ...wrongType(memory.buffer, memory.bytes, memory.fd)];
    refuses('memory', bad, (value) => Channel.open(value));
    for (const heir of [Object.create(SharedMemory.prototype), Object.create(memory)]) {
      expect(refused(() => Channel.open(heir))).toBeInstanceOf(TypeError);
    }
  });

  test('memory that is closed', () => {
    const made = Channel.create({ capacity: 64 });
    made.memory.unmap();
    const error = refused(() => Channel.open(made.memory));
    expect(shape(error)).toEqual({ name: 'Error', code: 'ERR_MAPPING_CLOSED' });
  });

  test('memory to read, and private memory', () => {
    const made = channel(64);
    const content = Buffer.from(made.memory.bytes);
    const path = tempFile(content);
    using reading = SharedMemory.adopt(made.memory.fd, { access: 'read' });
    using file = map(path);
    using copy = map(path, { access: 'copy' });
    using own = anonymous(content.length, { shared: false });
    own.bytes.set(content);
    for (const memory of [reading, file, copy, own]) {
      const error = refused(() => Channel.open(memory as SharedMemory));
      expect(shape(error)).toEqual({ name: 'Error', code: 'ERR_MAPPING_ACCESS' });
    }
  });

  test('memory that is too short, or has no channel in it', () => {
    for (const length of [1, 4, 64, 448, PAGE_SIZE - 1, PAGE_SIZE, 3 * PAGE_SIZE]) {
      const memory = memoryOf(length);
      expect(shape(refused(() => Channel.open(memory)))).toEqual(CORRUPT);
      memory.bytes.fill(0xff);
      expect(shape(refused(() => Channel.open(memory)))).toEqual(CORRUPT);
    }
  });

  test('a header that is not quite one', () => {
    const made = channel(64, 2);
    const words = new Words(made);
    const wrong: [number, number[]][] = [
      [AT.magic, [0, -1, 0x4d4d4348]],
      [AT.state, [0, 2, -1]],
      [AT.version, [0, 2, -1, 2 ** 31 - 1]],
      [AT.lanes, [0, -1, 1025, 3, 20, 1024, 2 ** 31 - 1, -(2 ** 31)]],
      [AT.capacity, [0, -1, 1, 32, 63, 65, 96, 128, 2 ** 30, -(2 ** 31), 2 ** 31 - 1]],
    ];
    for (const [at, values] of wrong) {
      const right = words.get(at);
      for (const value of values) {
        words.set(at, value);
        const error = refused(() => Channel.open(made.memory));
        expect(shape(error), `${value} at ${at}`).toEqual(CORRUPT);
      }
      words.set(at, right);
    }
    expect(Channel.open(made.memory).maxMessage).toBe(24);
    // Fewer lanes, or smaller ones, are a channel as well, since they lie within.
    words.set(AT.lanes, 1);
    expect(Channel.open(made.memory).sender().trySend(bytes(24))).toBe(true);
  });

  test('a version that is not this one is told', () => {
    const made = channel(64);
    new Words(made).set(AT.version, 7);
    expect(() => Channel.open(made.memory)).toThrow(/version 7/);
  });

  test('its memory may be larger, or a mapping that somebody else has made', () => {
    const content = channel(64).memory.bytes;
    using file = map(tempFile(3 * content.length), { access: 'write' });
    using plain = anonymous(2 * content.length);
    for (const memory of [file, plain]) {
      memory.bytes.set(content);
      const opened = Channel.open(memory as SharedMemory);
      const sender = opened.sender();
      const receiver = opened.receiver();
      sender.trySend(bytes(24, 3));
      expect(receiver.tryReceive()?.equals(bytes(24, 3))).toBe(true);
    }
  });
});
