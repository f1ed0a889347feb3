// How the ends of a channel end: closed from either side with things pending, aborted, unmapped.
import { stat } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { Channel, type Receiver, type Sender } from 'memmap/channel';
import { describe, expect, test } from 'vitest';
import {
  AT,
  bytes,
  channel,
  codeOf,
  ends,
  fill,
  takeAll,
  Words,
  watch,
} from './support/channel.js';
import { collected } from './support/gc.js';
import { until } from './support/until.js';

const code = (is: string) => expect.objectContaining({ name: 'Error', code: is });
const CLOSED = code('ERR_CHANNEL_CLOSED');
const UNMAPPED = code('ERR_MAPPING_CLOSED');

async function refusesAll(end: Sender | Receiver, error: unknown): Promise<void> {
  if ('trySend' in end) {
    expect(() => end.trySend(bytes(1))).toThrow(error as Error);
    expect(() => end.sendSync(bytes(1), 0)).toThrow(error as Error);
    await expect(end.send(bytes(1))).rejects.toEqual(error);
  } else {
    expect(() => end.tryReceive()).toThrow(error as Error);
    expect(() => end.receiveSync(0)).toThrow(error as Error);
    expect(() => end.drain(() => {})).toThrow(error as Error);
    await expect(end.receive()).rejects.toEqual(error);
  }
}

describe('a sender closes', () => {
  test('idempotent; what it sent is received, and then undefined, again and again', async () => {
    const { channel: made, sender, receiver } = ends(1024);
    for (let i = 0; i < 3; i++) sender.trySend(bytes(10, i));
    expect(sender.closed).toBe(false);
    sender.close();
    sender.close();
    expect(sender.closed).toBe(true);
    await refusesAll(sender, CLOSED);
    for (let i = 0; i < 3; i++) expect((await receiver.receive())?.equals(bytes(10, i))).toBe(true);
    for (let i = 0; i < 3; i++) expect(await receiver.receive()).toBeUndefined();
    expect(receiver.receiveSync()).toBeUndefined();
    for await (const none of receiver) expect(none).toBeUndefined();
    // A later one is heard.
    const next = made.sender();
    const waiting = receiver.receive();
    next.trySend(bytes(10, 3));
    expect((await waiting)?.equals(bytes(10, 3))).toBe(true);
  });

  test('with send()s pending: they are rejected, and were not sent', async () => {
    const { sender, receiver } = ends(256);
    const count = fill(sender);
    const waiting = [codeOf(sender.send(bytes(5))), codeOf(sender.send(bytes(6)))];
    sender.close();
    expect(await Promise.all(waiting)).toEqual(['ERR_CHANNEL_CLOSED', 'ERR_CHANNEL_CLOSED']);
    expect(takeAll(receiver)).toHaveLength(count);
  });

  test('with a receive() pending: undefined, when the last of them has closed', async () => {
    const made = channel(256, 2);
    const senders = [made.sender(), made.sender()];
    const receiver = made.receiver();
    const all = [1, 2, 3].map(() => watch(receiver.receive()));
    await turn();
    senders[0]?.close();
    for (let i = 0; i < 20; i++) await turn();
    expect(all.map(({ done }) => done)).toEqual([false, false, false]);
    senders[1]?.close();
    await until('the end', () => all.every(({ done }) => done));
    expect(all.map(({ value, error }) => [value, error])).toEqual(Array(3).fill([undefined, undefined])); // biome-ignore format: one line
  });

  test('using', () => {
    const made = channel(256);
    for (let i = 0; i < 3; i++) {
      using sender = made.sender();
      using receiver = made.receiver();
      sender.trySend(bytes(3));
      expect(receiver.tryReceive()).toHaveLength(3);
    }
    made.sender();
    made.receiver();
  });
});

describe('a receiver closes', () => {
  test('EPIPE until a new one opens, which gets what was left', async () => {
    const { channel: made, sender, receiver } = ends(256);
    sender.trySend(bytes(4, 1));
    receiver.close();
    receiver.close();
    expect(receiver.closed).toBe(true);
    await refusesAll(receiver, CLOSED);
    await refusesAll(sender, expect.objectContaining({ code: 'EPIPE', errno: -32 }));
    const next = made.receiver();
    expect(sender.trySend(bytes(4, 2))).toBe(true);
    expect(takeAll(next).map((m) => m[0])).toEqual([bytes(4, 1)[0], bytes(4, 2)[0]]);
  });

  test('with send()s pending: EPIPE for all of them', async () => {
    const { sender, receiver } = ends(256);
    fill(sender);
    const waiting = [1, 2, 3].map(() => codeOf(sender.send(bytes(50))));
    await turn();
    receiver.close();
    expect(await Promise.all(waiting)).toEqual(['EPIPE', 'EPIPE', 'EPIPE']);
  });

  test('with receive()s pending: undefined', async () => {
    const { channel: made, sender, receiver } = ends(256);
    const waiting = [receiver.receive(), receiver.receive()];
    await turn();
    receiver.close();
    expect(await Promise.all(waiting)).toEqual([undefined, undefined]);
    // They have taken nothing with them.
    const next = made.receiver();
    sender.trySend(bytes(9));
    expect(next.tryReceive()).toHaveLength(9);
  });

  test('in the midst of for await: that ends, and what is left stays', async () => {
    const { channel: made, sender, receiver } = ends(256);
    for (let i = 0; i < 5; i++) sender.trySend(bytes(2, i));
    let count = 0;
    for await (const _ of receiver) if (++count === 2) receiver.close();
    expect(count).toBe(2);
    expect(takeAll(made.receiver())).toHaveLength(3);
  });
});

describe('abort', () => {
  const reason = new Error('enough');

  test('send(): rejects with the reason and was not sent; those behind it are', async () => {
    const { sender, receiver } = ends(256);
    const count = fill(sender, bytes(8, 1));
    const controllers = [1, 2, 3].map(() => new AbortController());
    const waiting = controllers.map(({ signal }, i) => sender.send(bytes(8, 10 + i), { signal }));
    const results = Promise.allSettled(waiting);
    await turn();
    controllers[1]?.abort(reason);
    await expect(waiting[1]).rejects.toBe(reason);
    expect(takeAll(receiver)).toHaveLength(count);
    await Promise.all([waiting[0], waiting[2]]);
    expect((await results).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']); // biome-ignore format: one line
    expect(takeAll(receiver).map((m) => [...m])).toEqual([[...bytes(8, 10)], [...bytes(8, 12)]]);
    // Too late: nothing happens.
    controllers[0]?.abort(reason);
    expect(sender.trySend(bytes(1))).toBe(true);
  });

  test('receive(): rejects with the reason and loses no message', async () => {
    const { sender, receiver } = ends(1 << 16);
    let received = 0;
    let aborted = 0;
    let sent = 0;
    for (let round = 0; round < 300; round++) {
      const controller = new AbortController();
      const waiting = [
        receiver.receive({ signal: controller.signal }),
        receiver.receive({ signal: controller.signal }),
      ];
      const results = Promise.allSettled(waiting);
      // Before, after, and just while a message comes.
      if (round % 3 === 0) controller.abort(reason);
      for (let i = 0; i < round % 4; i++) if (sender.trySend(bytes(4, sent))) sent++;
      if (round % 5 === 0) await turn();
      controller.abort(reason);
      for (const result of await results) {
        if (result.status === 'rejected') {
          expect(result.reason).toBe(reason);
          aborted++;
        } else {
          expect(result.value?.equals(bytes(4, received++))).toBe(true);
        }
      }
    }
    for (const message of takeAll(receiver))
      expect(message.equals(bytes(4, received++))).toBe(true);
    expect(received).toBe(sent);
    expect(aborted).toBeGreaterThan(0);
  });

  test('with a signal that was aborted before: nothing happens', async () => {
    const { sender, receiver } = ends(256);
    const signal = AbortSignal.abort(reason);
    await expect(sender.send(bytes(3), { signal })).rejects.toBe(reason);
    expect(receiver.tryReceive()).toBeUndefined();
    sender.trySend(bytes(4));
    await expect(receiver.receive({ signal })).rejects.toBe(reason);
    expect(receiver.tryReceive()).toHaveLength(4);
  });
});

test('timers, immediates and fs callbacks run while messages flood in', async () => {
  const { sender, receiver } = ends(1 << 16);
  fill(sender);
  const ran = { immediates: 0, timers: 0, files: 0 };
  let going = true;
  const immediate = () => {
    ran.immediates++;
    if (going) setImmediate(immediate);
  };
  const timer = () => {
    ran.timers++;
    if (going) setTimeout(timer, 1);
  };
  const file = () => {
    ran.files++;
    if (going) stat('/', file);
  };
  setImmediate(immediate);
  setTimeout(timer, 1);
  stat('/', file);
  let count = 0;
  for await (const _ of receiver) {
    // As many come as go: there always is one.
    sender.trySend(bytes(8));
    count++;
    if (Math.min(ran.immediates, ran.timers, ran.files) >= 10 || count === 3_000_000) break;
  }
  going = false;
  expect(count).toBeGreaterThan(1000);
  expect(count).toBeLessThan(3_000_000);
});

test('a message whose buffer grows while it waits is refused; those behind it are sent', async () => {
  const { channel: made, sender, receiver } = ends(256);
  fill(sender);
  const buffer = Reflect.construct(ArrayBuffer, [8, { maxByteLength: 4096 }]) as ArrayBuffer & {
    resize(length: number): void;
  };
  const waiting = [sender.send(new Uint8Array(buffer)), sender.send(bytes(7))].map(codeOf);
  buffer.resize(made.maxMessage + 1);
  takeAll(receiver);
  expect(await Promise.all(waiting)).toEqual(['ERR_OUT_OF_RANGE', undefined]);
  expect(takeAll(receiver).map(({ length }) => length)).toEqual([7]);
});

describe("drain()'s callback", () => {
  test('throws: that message counts as received, the next are there', () => {
    const { sender, receiver } = ends(256);
    for (let i = 0; i < 4; i++) sender.trySend(bytes(2, i));
    const error = new Error('on purpose');
    let calls = 0;
    const call = () => {
      if (++calls === 2) throw error;
    };
    expect(() => receiver.drain(call)).toThrow(error);
    expect(takeAll(receiver).map((m) => m[0])).toEqual([bytes(2, 2)[0], bytes(2, 3)[0]]);
  });

  test('calls the receiver: ERR_INVALID_STATE, whatever it calls', async () => {
    const { sender, receiver } = ends(256);
    for (let i = 0; i < 4; i++) sender.trySend(bytes(2, i));
    const error = code('ERR_INVALID_STATE');
    const rejections: Promise<unknown>[] = [];
    const count = receiver.drain(() => {
      expect(() => receiver.drain(() => {})).toThrow(error);
      expect(() => receiver.tryReceive()).toThrow(error);
      expect(() => receiver.receiveSync(0)).toThrow(error);
      rejections.push(receiver.receive(), receiver[Symbol.asyncIterator]().next());
    });
    expect(count).toBe(4);
    const codes = await Promise.all(rejections.map(codeOf));
    expect(new Set(codes)).toEqual(new Set(['ERR_INVALID_STATE']));
    expect(codes).toHaveLength(8);
  });

  test('closes the receiver: the next one begins after that message, also if it opens at once', () => {
    const { channel: made, sender, receiver } = ends(256);
    for (let i = 0; i < 6; i++) sender.trySend(Buffer.from([i]));
    const seen: number[] = [];
    const took = receiver.drain((message) => {
      seen.push(message[0] as number);
      if (seen.length < 2) return;
      receiver.close();
      using next = made.receiver();
      seen.push(next.tryReceive()?.[0] as number, next.tryReceive()?.[0] as number);
    });
    expect(took).toBe(2);
    seen.push(...takeAll(made.receiver()).map((m) => m[0] as number));
    expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
    // The place was given back whole.
    expect(fill(sender)).toBe(16);
  });

  test('unmaps the memory: it ends there', async () => {
    const { channel: made, sender, receiver } = ends(256);
    for (let i = 0; i < 4; i++) sender.trySend(bytes(2, i));
    let kept: Buffer | undefined;
    const took = receiver.drain((message) => {
      kept = message;
      made.memory.unmap();
      expect(message).toHaveLength(0);
    });
    expect(took).toBe(1);
    expect(kept).toHaveLength(0);
    await refusesAll(receiver, UNMAPPED);
    await refusesAll(sender, UNMAPPED);
    receiver.close();
    sender.close();
  });

  test('moves the memory of its message away: later calls say that it is gone', async () => {
    const { sender, receiver } = ends(256);
    for (let i = 0; i < 4; i++) sender.trySend(bytes(2, i));
    const stream = new ReadableStream({
      type: 'bytes',
      pull: (controller) => {
        (controller as ReadableByteStreamController).byobRequest?.respond(1);
      },
    });
    const reader = stream.getReader({ mode: 'byob' });
    let moved: Promise<unknown> | undefined;
    const call = (message: Buffer) => {
      moved = reader.read(message as Uint8Array<ArrayBuffer>);
    };
    expect(() => receiver.drain(call)).toThrow(UNMAPPED);
    await moved;
    expect(() => receiver.tryReceive()).toThrow(UNMAPPED);
    receiver.close();
    sender.close();
  });
});

describe('unmap() of the memory', () => {
  test('with everything pending', async () => {
    const made = channel(256, 2);
    const [one, two] = [made.sender(), made.sender()];
    const receiver = made.receiver();
    fill(one);
    const sends = [one.send(bytes(3)), one.send(bytes(4))];
    takeAll(receiver);
    await Promise.all(sends);
    fill(one);
    const codes = [one.send(bytes(100)), one.send(bytes(3))].map(codeOf);
    // Room has come, and was taken away again before anybody could use it.
    const late = ends(256);
    fill(late.sender);
    codes.push(codeOf(late.sender.send(bytes(3))));
    await turn();
    takeAll(late.receiver);
    late.channel.memory.unmap();
    // A second channel, whose receiver waits.
    const other = ends(256);
    const waiting = [codeOf(other.receiver.receive()), codeOf(other.receiver.receive())];
    const next = codeOf(other.receiver[Symbol.asyncIterator]().next());
    await turn();
    other.channel.memory.unmap();
    made.memory.unmap();
    expect(await Promise.all(codes)).toEqual(Array(3).fill('ERR_MAPPING_CLOSED'));
    expect(await Promise.all([...waiting, next])).toEqual(Array(3).fill('ERR_MAPPING_CLOSED'));
    for (const end of [one, two, receiver, other.sender, other.receiver]) {
      await refusesAll(end, UNMAPPED);
      end.close();
      end.close();
      expect(end.closed).toBe(true);
      await refusesAll(end, CLOSED);
    }
    expect(() => made.sender()).toThrow(UNMAPPED);
    expect(() => made.receiver()).toThrow(UNMAPPED);
  });

  test('lets go of ends that nobody closes', async () => {
    const refs: WeakRef<object>[] = [];
    const make = () => {
      const made = Channel.create({ capacity: 64 });
      refs.push(new WeakRef(made.sender()), new WeakRef(made.receiver()));
      made.memory.unmap();
    };
    for (let i = 0; i < 500; i++) make();
    await turn();
    await collected('most', () => refs.filter((ref) => ref.deref() !== undefined).length < 500);
  });

  test('in a listener that is told of a death', () => {
    const { channel: made, sender, receiver } = ends(256);
    sender.close();
    const words = new Words(made);
    // As if two had died.
    words.set(AT.lane + 8, 3);
    receiver.on('senderDied', () => made.memory.unmap());
    expect(receiver.tryReceive()).toBeUndefined();
    expect(() => receiver.tryReceive()).toThrow(UNMAPPED);
  });
});
