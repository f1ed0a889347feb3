// A channel whose memory is moved, cut or overwritten while it is one.
import { map, type SharedMemory } from 'memmap';
import { Channel, type Receiver, type Sender } from 'memmap/channel';
import { PAGE_SIZE } from 'memmap/posix';
import { describe, expect, test } from 'vitest';
import { shape, thrown } from './support/bad.js';
import { AT, bytes, channel, DATA, ends, LANE, takeAll, Words } from './support/channel.js';
import { tempFile } from './support/temp.js';

const CORRUPT = { name: 'Error', code: 'ERR_CHANNEL_CORRUPT' };

describe('memory that its owner misuses while it is a channel', () => {
  const codes = ['ERR_CHANNEL_CORRUPT', 'ERR_MAPPING_CLOSED', 'ERR_MAPPING_FAULT', 'ERR_OUT_OF_RANGE']; // biome-ignore format: one line

  /** Everything, once; errors have a code. */
  async function useAll(made: Channel, sender: Sender, receiver: Receiver): Promise<unknown[]> {
    const errors: unknown[] = [];
    const calls: (() => unknown)[] = [
      () => sender.trySend(bytes(10)),
      () => sender.sendSync(bytes(10), 1),
      () => sender.send(bytes(10), { signal: AbortSignal.timeout(5) }),
      () => receiver.tryReceive(),
      () => receiver.drain(() => {}),
      () => receiver.receiveSync(1),
      () => receiver.receive({ signal: AbortSignal.timeout(5) }),
      () => made.sender(),
      () => made.receiver(),
      () => sender.close(),
      () => receiver.close(),
    ];
    for (const call of calls) {
      try {
        await call();
      } catch (error) {
        errors.push(error);
      }
    }
    for (const error of errors) {
      const { name, code } = error as { name: string; code: unknown };
      if (name === 'TimeoutError' || code === 'EBUSY' || code === 'EPERM') continue;
      expect(codes, String(error)).toContain(code);
    }
    return errors;
  }

  test('slid to other bytes of the file', async () => {
    const content = channel(64).memory.bytes;
    const path = tempFile(4 * PAGE_SIZE);
    using memory = map(path, { access: 'write', length: 2 * PAGE_SIZE });
    memory.bytes.set(content);
    const made = Channel.open(memory as SharedMemory);
    const [sender, receiver] = [made.sender(), made.receiver()];
    sender.trySend(bytes(5));
    memory.slide(2 * PAGE_SIZE);
    await useAll(made, sender, receiver);
  });

  test('cut to less than itself', async () => {
    const content = channel(1 << 14).memory.bytes;
    for (const length of [PAGE_SIZE, 2 * PAGE_SIZE, 100]) {
      using memory = map(tempFile(content.length), { access: 'write' });
      memory.bytes.set(content);
      const made = Channel.open(memory as SharedMemory);
      const [sender, receiver] = [made.sender(), made.receiver()];
      sender.trySend(bytes(5));
      memory.resize(length);
      expect(await useAll(made, sender, receiver)).not.toEqual([]);
    }
  });

  test('numbers of a lane that make no sense: what was in it is dropped, and it goes on', async () => {
    const wrong: [number, number][] = [
      [LANE.tail, 1],
      [LANE.tail, -8],
      [LANE.tail, 264],
      [LANE.tail, 2 ** 31 - 8],
      [LANE.tail, -(2 ** 31)],
    ];
    for (const [at, value] of wrong) {
      const { channel: made, sender, receiver } = ends(256);
      const words = new Words(made);
      for (let i = 0; i < 3; i++) sender.trySend(bytes(8, i));
      words.set(AT.lane + at, value);
      expect(shape(thrown(() => receiver.tryReceive())), `${value}`).toEqual(CORRUPT);
      // The sender says once more where it is, with its next message.
      sender.trySend(bytes(8, 9));
      const got: unknown[] = [];
      for (let i = 0; i < 3; i++) {
        try {
          got.push(...takeAll(receiver).map((message) => [...message]));
        } catch (error) {
          expect(shape(error)).toEqual(CORRUPT);
        }
      }
      sender.trySend(bytes(8, 10));
      expect(takeAll(receiver).at(-1)?.equals(bytes(8, 10)), `${value}`).toBe(true);
    }
  });

  test('lengths that make no sense', () => {
    for (const length of [-1, -2, -(2 ** 31), 2 ** 31 - 1, 25, 121, 1 << 20]) {
      const { channel: made, sender, receiver } = ends(256);
      const words = new Words(made);
      for (let i = 0; i < 3; i++) sender.trySend(bytes(8, i));
      words.set(DATA + 16, length);
      expect(receiver.tryReceive()?.equals(bytes(8, 0))).toBe(true);
      // More than the message, and within what was sent: nobody can know.
      if (length === 25) continue;
      expect(shape(thrown(() => receiver.drain(() => {}))), `${length}`).toEqual(CORRUPT);
      expect(receiver.tryReceive()).toBeUndefined();
      sender.trySend(bytes(8, 4));
      expect(takeAll(receiver).map((m) => [...m])).toEqual([[...bytes(8, 4)]]);
    }
  });

  test('a HEAD that makes no sense: no message is written over another', () => {
    for (const off of [8, 1000, -1000, 2 ** 31 - 8, -(2 ** 31)]) {
      const { channel: made, sender, receiver } = ends(256);
      const words = new Words(made);
      // The receiver knows where it is.
      sender.trySend(bytes(8));
      takeAll(receiver);
      let count = 0;
      while (sender.trySend(bytes(8, count))) count++;
      words.set(AT.lane + LANE.head, (words.get(AT.lane + LANE.tail) + off) | 0);
      for (let i = 0; i < 3; i++) {
        expect(shape(thrown(() => sender.trySend(bytes(8, 99)))), `${off}`).toEqual(CORRUPT);
      }
      const got = takeAll(receiver);
      expect(got.map((m) => [...m])).toEqual(got.map((_, i) => [...bytes(8, i)]));
      expect(got).toHaveLength(count);
      expect(sender.trySend(bytes(8, 1))).toBe(true);
    }
  });

  test('a bell that was overwritten keeps nobody asleep', async () => {
    const { channel: made, sender, receiver } = ends(64);
    const words = new Words(made);
    for (const value of [0, 2, -1]) {
      const message = receiver.receive();
      await new Promise((resolve) => setImmediate(resolve));
      words.set(AT.bell, value);
      sender.trySend(bytes(3));
      expect(await message).toHaveLength(3);

      while (sender.trySend(bytes(8)));
      const sent = sender.send(bytes(8));
      await new Promise((resolve) => setImmediate(resolve));
      words.set(AT.lane + LANE.room, value);
      takeAll(receiver);
      await sent;
      takeAll(receiver);
    }
  });

  test('HEAD and TAIL that were overwritten keep nobody waiting', async () => {
    const { channel: made, sender, receiver } = ends(64);
    const words = new Words(made);
    const head = AT.lane + LANE.head;
    const tail = AT.lane + LANE.tail;
    // The receiver has them all; the sender sees a full ring.
    sender.trySend(bytes(24));
    sender.trySend(bytes(24));
    takeAll(receiver);
    const waiting = receiver.receive();
    words.set(head, words.get(tail) - 64);
    const sent = sender.send(bytes(20));
    expect(await waiting).toHaveLength(20);
    await sent;
    // The sender has sent; the receiver sees nothing.
    sender.trySend(bytes(24));
    sender.trySend(bytes(24));
    words.set(tail, words.get(head));
    const more = sender.send(bytes(2));
    for (const length of [24, 24, 2]) expect(await receiver.receive()).toHaveLength(length);
    await more;
  });
});
