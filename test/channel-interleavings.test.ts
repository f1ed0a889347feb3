// What the other side does just while this one looks: at every step of the look, one after the other.

import { SharedMemory } from 'memmap';
import { Channel, type Receiver, type Sender } from 'memmap/channel';
import { expect, test } from 'vitest';
import { interleave } from './support/interleave.js';

const X = Buffer.from('x');
const FEWEST = 4;

/** A sender that dies as it would with its process: its mapping is gone, and it has not closed. */
function mortal(channel: Channel): { sender: Sender; die: () => void } {
  const memory = SharedMemory.adopt(channel.memory.fd);
  return { sender: Channel.open(memory).sender(), die: () => memory.unmap() };
}

/** For every step: `round` is given a function that runs steps of ours with the other side's in between. */
async function everywhere(
  round: (at: (steps: () => void, between: () => void) => void) => Promise<void> | void,
): Promise<void> {
  for (let n = 1, met = true; met; n++) {
    met = false;
    await round((steps, between) => {
      met = interleave(n, steps, between);
      if (!met) between();
    });
    expect(n > FEWEST || met).toBe(true);
  }
}

function make(producers: number): { channel: Channel; receiver: Receiver; deaths: number[] } {
  const channel = Channel.create({ capacity: 64, producers });
  const receiver = channel.receiver();
  const deaths: number[] = [];
  receiver.on('senderDied', (lane) => deaths.push(lane));
  return { channel, receiver, deaths };
}

test('the only sender sends its last message and closes: the message first, then the end', () =>
  everywhere(async (at) => {
    const { channel, receiver, deaths } = make(1);
    const sender = channel.sender();
    let first: Promise<Buffer | undefined> | undefined;
    at(
      () => {
        first = receiver.receive();
      },
      () => {
        sender.trySend(X);
        sender.close();
      },
    );
    expect(await first).toEqual(X);
    expect(await receiver.receive()).toBe(undefined);
    expect(deaths).toEqual([]);
    channel.memory.unmap();
  }));

test.each([0, 1])('one sender takes over from the other, from lane %i: that is no end', (lane) =>
  everywhere(async (at) => {
    const { channel, receiver } = make(2);
    const both = [channel.sender(), channel.sender()];
    both[1 - lane]!.close();
    let next: Sender | undefined;
    let first: Promise<Buffer | undefined> | undefined;
    at(
      () => {
        first = receiver.receive();
      },
      () => {
        next = channel.sender();
        both[lane]!.close();
      },
    );
    next!.trySend(X);
    expect(await first).toEqual(X);
    channel.memory.unmap();
  }),
);

test('a sender that follows one that has closed is not taken for dead', () =>
  everywhere((at) => {
    const { channel, receiver, deaths } = make(1);
    channel.sender().close();
    at(
      () => receiver.receiveSync(0),
      () => channel.sender(),
    );
    receiver.receiveSync(0);
    expect(deaths).toEqual([]);
    channel.memory.unmap();
  }));

test('nor is one that closes', () =>
  everywhere((at) => {
    const { channel, receiver, deaths } = make(1);
    const sender = channel.sender();
    at(
      () => receiver.receiveSync(0),
      () => sender.close(),
    );
    receiver.receiveSync(0);
    expect(deaths).toEqual([]);
    channel.memory.unmap();
  }));

test('one that dies is told of once, after its last message', () =>
  everywhere((at) => {
    const { channel, receiver, deaths } = make(1);
    const { sender, die } = mortal(channel);
    let first: Buffer | undefined;
    at(
      () => {
        first = receiver.receiveSync(0);
        if (first === undefined) expect(deaths).toEqual([]);
      },
      () => {
        sender.trySend(X);
        die();
      },
    );
    expect(first ?? receiver.receiveSync(0)).toEqual(X);
    for (let i = 0; i < 3; i++) receiver.receiveSync(0);
    expect(deaths).toEqual([0]);
    channel.memory.unmap();
  }));

test('one that dies and is followed at once is told of once', () =>
  everywhere((at) => {
    const { channel, receiver, deaths } = make(1);
    const { die } = mortal(channel);
    let next: Sender | undefined;
    at(
      () => receiver.receiveSync(0),
      () => {
        die();
        next = channel.sender();
      },
    );
    for (let i = 0; i < 3; i++) receiver.receiveSync(0);
    expect(deaths).toEqual([0]);
    next!.close();
    receiver.receiveSync(0);
    expect(deaths).toEqual([0]);
    channel.memory.unmap();
  }));

test('a death is told of while the next sender in its place keeps the lane full', () => {
  const { channel, receiver, deaths } = make(1);
  mortal(channel).die();
  const next = channel.sender();
  const end = performance.now() + 20_000;
  while (deaths.length === 0 && performance.now() < end) {
    while (next.trySend(X));
    expect(receiver.tryReceive()).toEqual(X);
  }
  expect(deaths).toEqual([0]);
  channel.memory.unmap();
});

test.each(['and that is all', 'and another one follows'])(
  'a receiver that closes is not taken for dead, %s',
  (how) =>
    everywhere((at) => {
      const { channel, receiver } = make(1);
      const sender = channel.sender();
      let died = 0;
      sender.on('receiverDied', () => died++);
      while (sender.trySend(X));
      const codes: unknown[] = [];
      const send = () => {
        try {
          sender.sendSync(X, 1);
        } catch (error) {
          codes.push((error as NodeJS.ErrnoException).code);
        }
      };
      at(send, () => {
        receiver.close();
        if (how !== 'and that is all') channel.receiver();
      });
      send();
      expect(died).toBe(0);
      expect(codes.every((code) => code === 'EPIPE')).toBe(true);
      channel.memory.unmap();
    }),
);

test('drain() takes what is there when it begins, wherever in the ring that lies', () => {
  const { channel, receiver } = make(1);
  const sender = channel.sender();
  const long = Buffer.alloc(channel.maxMessage);
  sender.trySend(long.subarray(16));
  receiver.tryReceive();
  for (let i = 0; i < 100; i++) {
    let there = 0;
    while (sender.trySend(long.subarray(i % 17))) there++;
    // What the callback itself sends is not there yet.
    expect(receiver.drain(() => sender.trySend(X))).toBe(there);
    receiver.drain(() => {});
  }
  channel.memory.unmap();
});

test('a receiver that closes inside drain() has received that message, and the next one goes on after it', () => {
  const { channel, receiver } = make(1);
  const sender = channel.sender();
  for (const text of ['1', '2', '3']) sender.trySend(Buffer.from(text));
  let next: Receiver | undefined;
  const got: string[] = [];
  receiver.drain((message) => {
    got.push(message.toString());
    receiver.close();
    next = channel.receiver();
    got.push(next.tryReceive()!.toString());
  });
  got.push(next!.tryReceive()!.toString());
  expect(got).toEqual(['1', '2', '3']);
  // The sender's place is free when all that it had sent is received.
  sender.close();
  channel.sender().close();
  channel.memory.unmap();
});

test('a consumer that never has to wait lets timers run', async () => {
  const { channel, receiver } = make(1);
  const sender = channel.sender();
  let fired = false;
  setTimeout(() => {
    fired = true;
  }, 0);
  let count = 0;
  sender.trySend(X);
  for await (const message of receiver) {
    sender.trySend(message);
    if (fired || ++count === 2_000_000) break;
  }
  expect(fired).toBe(true);
  channel.memory.unmap();
});
