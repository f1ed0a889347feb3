// Messages through a channel, within one process: whole, in order, once each; and who may have an end.
import { setImmediate as turn } from 'node:timers/promises';
import { Channel, type Receiver, type Sender } from 'memmap/channel';
import { describe, expect, test } from 'vitest';
import {
  AT,
  bytes,
  channel,
  DATA,
  ends,
  fill,
  LANE,
  LANE_BYTES,
  numbered,
  read,
  takeAll,
  taken,
  Words,
} from './support/channel.js';
import { random } from './support/orders.js';

describe('Channel.create() and open()', () => {
  test('capacity is made up to a power of two, of which a message has at most half, less 8 bytes', () => {
    for (let power = 6; power <= 20; power++) {
      const capacity = 2 ** power;
      for (const asked of [capacity / 2 + 1, capacity - 1, capacity]) {
        if (asked < 64) continue;
        const { memory, maxMessage } = channel(asked);
        expect(maxMessage).toBe(capacity / 2 - 8);
        expect(memory.length).toBe(DATA + capacity);
      }
    }
  });

  test('the largest capacity takes no memory before it is used', () => {
    for (const asked of [2 ** 30, 2 ** 29 + 1]) {
      const { memory, maxMessage } = channel(asked);
      expect(maxMessage).toBe(2 ** 29 - 8);
      expect(memory.usage().rss).toBeLessThan(2 ** 20);
    }
  });

  test('producers: one unless said, each with a ring of its own', () => {
    const one = Channel.create({ capacity: 4096 });
    expect(one.memory.length).toBe(DATA + 4096);
    one.memory.unmap();
    for (const producers of [1, 2, 20, 21, 1024]) {
      const made = channel(4096, producers);
      const head = Math.ceil((AT.lane + producers * LANE_BYTES) / 4096) * 4096;
      expect(made.memory.length).toBe(head + producers * 4096);
      const senders = Array.from({ length: producers }, () => made.sender());
      expect(() => made.sender()).toThrow(expect.objectContaining({ code: 'EBUSY' }));
      const receiver = made.receiver();
      senders.forEach((sender, i) => {
        expect(sender.trySend(bytes(100, i))).toBe(true);
      });
      const got = takeAll(receiver);
      expect(got).toHaveLength(producers);
      got.forEach((message, i) => {
        expect(message.equals(bytes(100, i))).toBe(true);
      });
      for (const end of [...senders, receiver]) end.close();
    }
  });

  test('open() is the same channel', () => {
    const made = channel(1000, 3);
    const opened = Channel.open(made.memory);
    expect(opened.memory).toBe(made.memory);
    expect(opened.maxMessage).toBe(made.maxMessage);
    const receiver = opened.receiver();
    expect(() => made.receiver()).toThrow(expect.objectContaining({ code: 'EBUSY' }));
    const senders = [made.sender(), opened.sender(), made.sender()];
    expect(() => opened.sender()).toThrow(expect.objectContaining({ code: 'EBUSY' }));
    for (const sender of senders) sender.trySend(bytes(10));
    expect(takeAll(receiver)).toHaveLength(3);
  });

  test('a Channel is made by these alone', () => {
    expect(() => Reflect.construct(Channel, [Symbol('memmap.channel'), {}])).toThrow(
      expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }),
    );
  });
});

type Send = (sender: Sender, message: Uint8Array) => Promise<unknown> | unknown;
type Take = (receiver: Receiver) => Promise<Buffer | undefined> | Buffer | undefined;
const sends: Record<string, Send> = {
  trySend: (sender, message) => expect(sender.trySend(message)).toBe(true),
  send: (sender, message) => sender.send(message),
  sendSync: (sender, message) => expect(sender.sendSync(message, 0)).toBe(true),
};
const takes: Record<string, Take> = {
  tryReceive: (receiver) => receiver.tryReceive(),
  receive: (receiver) => receiver.receive(),
  receiveSync: (receiver) => receiver.receiveSync(0),
  drain: (receiver) => {
    let copy: Buffer | undefined;
    const count = receiver.drain((message, sender) => {
      expect(sender).toBe(0);
      copy = Buffer.from(message);
    }, 1);
    expect(count).toBe(copy === undefined ? 0 : 1);
    return copy;
  },
  'for await': async (receiver) => {
    for await (const message of receiver) return message;
    return undefined;
  },
};
const pairs = Object.keys(sends).flatMap((send) =>
  Object.keys(takes).map((take) => [send, take] as const),
);

describe('every length, at every place of the ring', () => {
  test.each(pairs)('by %s() and %s', async (send, take) => {
    const { channel: made, sender, receiver } = ends(64);
    const empty = new Uint8Array(0);
    let place = 0;
    let number = 0;
    for (let length = 0; length <= made.maxMessage; length++) {
      for (let start = 0; start < 64; start += 8) {
        // Where the record is to begin: an empty message takes 8 bytes.
        while (place !== start) {
          expect(sender.trySend(empty)).toBe(true);
          expect(receiver.tryReceive()).toHaveLength(0);
          place = (place + 8) % 64;
        }
        const message = bytes(length, number++);
        await sends[send]?.(sender, message);
        const got = await takes[take]?.(receiver);
        expect(got?.equals(message), `${length} bytes at ${start}`).toBe(true);
        const size = taken(length);
        place = place + size > 64 ? size : (place + size) % 64;
      }
    }
  });

  test('in a larger ring', () => {
    const { channel: made, sender, receiver } = ends(1024);
    const empty = new Uint8Array(0);
    for (let length = 0; length <= made.maxMessage; length += 3) {
      const message = bytes(length, length);
      // Two records of this size and an odd number of small ones: it begins at every place in the end.
      for (let i = 0; i < 130; i++) {
        const sent = [message, empty, message].filter((one) => sender.trySend(one));
        const got = takeAll(receiver);
        if (got.length !== sent.length || !got.every((one, n) => one.equals(sent[n] as Uint8Array)))
          throw new Error(`${length} bytes, round ${i}`);
      }
    }
  });

  test('counts that pass 2^31 and 2^32', () => {
    for (const start of [0x7fff_ff00, 0xffff_ff00]) {
      const made = channel(64);
      const words = new Words(made);
      words.set(AT.lane + LANE.tail, start | 0);
      words.set(AT.lane + LANE.head, start | 0);
      const sender = made.sender();
      const receiver = made.receiver();
      for (let i = 0; i < 200; i++) {
        const first = bytes(i % 25, i);
        const second = bytes((i * 7) % 17, i + 1);
        expect(sender.trySend(first)).toBe(true);
        const more = sender.trySend(second);
        const got = takeAll(receiver);
        expect(got.map((m) => [...m])).toEqual((more ? [first, second] : [first]).map((m) => [...m])); // biome-ignore format: one line
      }
      expect(words.get(AT.lane + LANE.tail)).not.toBe(start | 0);
    }
  });

  test('one byte more than maxMessage is refused, and nothing is sent', async () => {
    for (const capacity of [64, 4096, 1 << 20]) {
      const { channel: made, sender, receiver } = ends(capacity);
      const tooLong = new Uint8Array(made.maxMessage + 1);
      const refusal = expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
      expect(() => sender.trySend(tooLong)).toThrow(refusal);
      expect(() => sender.sendSync(tooLong, 0)).toThrow(refusal);
      await expect(sender.send(tooLong)).rejects.toEqual(refusal);
      expect(receiver.tryReceive()).toBeUndefined();
      // Two of the longest fill the ring.
      const longest = bytes(made.maxMessage, 7);
      expect([longest, longest, longest].map((m) => sender.trySend(m))).toEqual([true, true, false]); // biome-ignore format: one line
      expect(takeAll(receiver).every((message) => message.equals(longest))).toBe(true);
    }
  });

  test('room for the longest comes wherever the ring stands', () => {
    const { channel: made, sender, receiver } = ends(64);
    for (let i = 0; i < 64; i++) {
      const longest = bytes(made.maxMessage, i);
      sender.trySend(bytes(i % 16));
      const there = sender.trySend(longest);
      takeAll(receiver);
      if (!there) expect(sender.trySend(longest)).toBe(true);
      takeAll(receiver);
    }
  });
});

test('kinds of Uint8Array: a Buffer, part of a buffer, over shared memory, of a class of its own', () => {
  class Records extends Uint8Array {}
  const { sender, receiver } = ends(4096);
  const whole = bytes(300, 3);
  const shared = new Uint8Array(new SharedArrayBuffer(300));
  shared.set(whole);
  const part = new Uint8Array(400).subarray(77, 377);
  part.set(whole);
  for (const message of [Buffer.from(whole), shared, part, new Records(whole)]) {
    expect(sender.trySend(message)).toBe(true);
    expect(receiver.tryReceive()?.equals(whole)).toBe(true);
  }
});

test('what is received is a copy: later messages do not change it', () => {
  const { sender, receiver } = ends(256);
  const got: Buffer[] = [];
  for (let i = 0; i < 100; i++) {
    sender.trySend(bytes(100, i));
    got.push(receiver.tryReceive() as Buffer);
  }
  got.forEach((message, i) => {
    expect(message.equals(bytes(100, i))).toBe(true);
  });
});

test.each([1, 2, 3])('random use of it all against a model, seed %i', (seed) => {
  const draw = random(seed);
  const below = (n: number) => Math.floor(draw() * n);
  const producers = 3;
  const made = channel(512, producers);
  const senders = Array.from({ length: producers }, () => made.sender());
  const receiver = made.receiver();
  const sent: Uint8Array[][] = senders.map(() => []);
  let received = 0;
  const check = (message: Buffer): void => {
    const { who } = read(message);
    const expected = sent[who]?.shift();
    if (expected === undefined || !message.equals(expected)) {
      throw new Error(`not the next message of sender ${who}`);
    }
    received++;
  };
  for (let i = 0; i < 30_000; i++) {
    const who = below(producers);
    const message = numbered(who, i, below(made.maxMessage - 7));
    const use = below(8);
    if (use < 4) {
      if (senders[who]?.trySend(message)) sent[who]?.push(message);
    } else if (use === 4) {
      if (senders[who]?.sendSync(message, 0)) sent[who]?.push(message);
    } else if (use === 5) {
      const one = receiver.tryReceive();
      if (one !== undefined) check(one);
      else expect(sent.every((queue) => queue.length === 0)).toBe(true);
    } else if (use === 6) {
      const limit = below(5);
      const there = sent.reduce((sum, queue) => sum + queue.length, 0);
      expect(receiver.drain(check, limit)).toBe(Math.min(limit, there));
    } else {
      const there = sent.reduce((sum, queue) => sum + queue.length, 0);
      expect(receiver.drain(check)).toBe(there);
    }
  }
  takeAll(receiver).forEach(check);
  expect(sent).toEqual([[], [], []]);
  expect(received).toBeGreaterThan(5000);
});

describe('drain()', () => {
  test('takes those that are there when it begins, also where the ring turns', () => {
    for (let start = 0; start < 20; start++) {
      const { sender, receiver } = ends(256);
      for (let i = 0; i < start; i++) sender.trySend(new Uint8Array(0));
      takeAll(receiver);
      const there = fill(sender, bytes(33));
      // Each one received makes room for one more.
      let more = 0;
      const took = receiver.drain(() => {
        if (sender.trySend(bytes(33))) more++;
      });
      expect(took).toBe(there);
      expect(takeAll(receiver)).toHaveLength(more);
    }
  });

  test('a limit', () => {
    const { sender, receiver } = ends(1024);
    for (let i = 0; i < 10; i++) sender.trySend(bytes(1, i));
    const seen: number[] = [];
    const see = (message: Buffer) => seen.push(message[0] as number);
    expect(receiver.drain(see, 0)).toBe(0);
    expect(receiver.drain(see, 3)).toBe(3);
    expect(receiver.drain(see, Infinity)).toBe(7);
    expect(receiver.drain(see)).toBe(0);
    expect(seen).toEqual(Array.from({ length: 10 }, (_, i) => bytes(1, i)[0]));
  });

  test('tells the lane of each sender', () => {
    const made = channel(1024, 4);
    const senders = Array.from({ length: 4 }, () => made.sender());
    const receiver = made.receiver();
    senders.forEach((sender, i) => {
      for (let n = 0; n <= i; n++) sender.trySend(Buffer.from([i]));
    });
    const counts = [0, 0, 0, 0];
    receiver.drain((message, sender) => {
      expect(message[0]).toBe(sender);
      counts[sender] = (counts[sender] ?? 0) + 1;
    });
    expect(counts).toEqual([1, 2, 3, 4]);
  });

  test('hands messages on without a copy, to another channel and to its own', () => {
    const { sender, receiver } = ends(4096);
    const other = ends(4096);
    for (let i = 0; i < 5; i++) sender.trySend(bytes(200, i));
    expect(receiver.drain((message) => other.sender.trySend(message))).toBe(5);
    expect(other.receiver.drain((message) => other.sender.trySend(message), 5)).toBe(5);
    takeAll(other.receiver).forEach((message, i) => {
      expect(message.equals(bytes(200, i))).toBe(true);
    });
  });
});

describe('fairness', () => {
  test.each([8, 100, 4000, 20_000])(
    'one that floods with %i bytes does not keep another one waiting',
    async (length) => {
      const made = channel(1 << 16, 3);
      const [flood, calm, other] = [made.sender(), made.sender(), made.sender()];
      const receiver = made.receiver();
      const flooding = numbered(0, 0, length);
      // As many messages as a turn of one lane may have, and some.
      for (let round = 0; round < 20; round++) {
        while (flood.trySend(flooding));
        calm.trySend(numbered(1, round, 0));
        other.trySend(numbered(2, round, 0));
        const waiting = new Set([1, 2]);
        for (let i = 0; waiting.size > 0; i++) {
          expect(i, 'messages of the one that floods').toBeLessThan(200);
          const take = Object.values(takes)[i % 3] as Take;
          const { who } = read((await take(receiver)) as Buffer);
          waiting.delete(who);
          while (flood.trySend(flooding));
          if (i % 50 === 0) await turn();
        }
      }
    },
  );
});

test('the first message of each new sender is there at once', () => {
  const made = channel(1024, 8);
  const receiver = made.receiver();
  const senders: Sender[] = [];
  for (let i = 0; i < 8; i++) {
    senders.push(made.sender());
    for (const sender of senders.toReversed()) {
      sender.trySend(bytes(16, i));
      const message = receiver.tryReceive();
      expect(message?.equals(bytes(16, i)), `of ${senders.length} senders`).toBe(true);
    }
  }
});
