// Who may have an end of a channel, and several calls at once: places, order, back-pressure.
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import {
  AT,
  bytes,
  channel,
  codeOf,
  ends,
  fill,
  LANE,
  takeAll,
  taken,
  Words,
  watch,
} from './support/channel.js';
import { until } from './support/until.js';

describe('places', () => {
  const busy = expect.objectContaining({ name: 'Error', code: 'EBUSY', errno: -16 });

  test('sender(): one is free after close(), when its messages have been received', () => {
    const { channel: made, sender, receiver } = ends(256);
    expect(() => made.sender()).toThrow(busy);
    sender.trySend(bytes(10, 1));
    sender.trySend(bytes(10, 2));
    sender.close();
    expect(() => made.sender()).toThrow(busy);
    expect(receiver.tryReceive()?.equals(bytes(10, 1))).toBe(true);
    expect(() => made.sender()).toThrow(busy);
    expect(receiver.tryReceive()?.equals(bytes(10, 2))).toBe(true);
    const next = made.sender();
    expect(() => made.sender()).toThrow(busy);
    next.trySend(bytes(10, 3));
    expect(receiver.tryReceive()?.equals(bytes(10, 3))).toBe(true);
  });

  test('sender(): an EBUSY has taken nothing', () => {
    const made = channel(256, 2);
    const [one, two] = [made.sender(), made.sender()];
    const words = new Words(made);
    const before = [words.get(AT.lane + LANE.opens), words.get(AT.lane)];
    for (let i = 0; i < 10; i++) expect(() => made.sender()).toThrow(busy);
    expect([words.get(AT.lane + LANE.opens), words.get(AT.lane)]).toEqual(before);
    for (let i = 0; i < 100; i++) {
      one.close();
      made.sender().close();
    }
    two.close();
    for (let i = 0; i < 2; i++) made.sender();
    expect(() => made.sender()).toThrow(busy);
  });

  test('receiver(): one at a time; the next has what was left', () => {
    const { channel: made, sender, receiver } = ends(256);
    expect(() => made.receiver()).toThrow(busy);
    for (let i = 0; i < 3; i++) sender.trySend(bytes(10, i));
    expect(receiver.tryReceive()?.equals(bytes(10, 0))).toBe(true);
    receiver.close();
    const next = made.receiver();
    expect(() => made.receiver()).toThrow(busy);
    receiver.close();
    expect(() => made.receiver()).toThrow(busy);
    expect(takeAll(next).map((m) => [...m])).toEqual([[...bytes(10, 1)], [...bytes(10, 2)]]);
  });

  test('a receiver may come before the first sender, and after the last', async () => {
    const made = channel(256);
    const early = made.receiver();
    const waiting = watch(early.receive());
    await turn();
    expect(waiting.done).toBe(false);
    const sender = made.sender();
    sender.trySend(bytes(5));
    await until('the message', () => waiting.done);
    sender.trySend(bytes(6));
    sender.close();
    early.close();
    const late = made.receiver();
    expect(await late.receive()).toHaveLength(6);
    expect(await late.receive()).toBeUndefined();
  });
});

describe('several at once', () => {
  test('send()s keep their order, and trySend() does not overtake them', async () => {
    const { sender, receiver } = ends(256);
    const order: number[] = [];
    const all = Array.from({ length: 200 }, (_, i) =>
      sender.send(bytes(30 + (i % 60), i)).then(() => order.push(i)),
    );
    expect(sender.trySend(new Uint8Array(0))).toBe(false);
    for (let i = 0; i < 200; i++) {
      const message = await receiver.receive();
      expect(message?.equals(bytes(30 + (i % 60), i)), `message ${i}`).toBe(true);
    }
    await Promise.all(all);
    expect(order).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(sender.trySend(bytes(1))).toBe(true);
  });

  test('sendSync() sends what waits before it', async () => {
    const { sender, receiver } = ends(256);
    fill(sender, bytes(8, 1));
    const waiting = [sender.send(bytes(8, 2)), sender.send(bytes(8, 3))];
    expect(sender.sendSync(bytes(8, 4), 0)).toBe(false);
    const got = takeAll(receiver);
    expect(sender.sendSync(bytes(8, 4), 0)).toBe(true);
    await Promise.all(waiting);
    got.push(...takeAll(receiver));
    expect(got.slice(-3).map((m) => [...m])).toEqual([2, 3, 4].map((i) => [...bytes(8, i)]));
  });

  test('receive()s get messages in the order of the calls', async () => {
    const { sender, receiver } = ends(1 << 14);
    const waiting = Array.from({ length: 50 }, () => receiver.receive());
    for (let i = 0; i < 30; i++) sender.trySend(bytes(20, i));
    await waiting[0];
    for (let i = 30; i < 50; i++) sender.trySend(bytes(20, i));
    const got = await Promise.all(waiting);
    expect(got.map((message, i) => message?.equals(bytes(20, i)))).toEqual(got.map(() => true));
  });
});

describe('back-pressure', () => {
  test('trySend() and sendSync() say that there is no room; send() waits for it', async () => {
    const { sender, receiver } = ends(1024);
    const count = fill(sender, bytes(56));
    expect(count).toBe(1024 / taken(56));
    expect(sender.sendSync(bytes(56), 0)).toBe(false);
    expect(sender.sendSync(bytes(56), 5)).toBe(false);
    const waiting = watch(sender.send(bytes(56, 9)));
    for (let i = 0; i < 10; i++) await turn();
    expect(waiting.done).toBe(false);
    expect(takeAll(receiver)).toHaveLength(count);
    await until('it was sent', () => waiting.done);
    expect(receiver.tryReceive()?.equals(bytes(56, 9))).toBe(true);
  });

  test('a slow consumer: never more than the ring holds is sent and not received', async () => {
    const { sender, receiver } = ends(1 << 14);
    const most = (1 << 14) / taken(1000);
    let sent = 0;
    let received = 0;
    const producer = (async () => {
      for (; sent < 3000; sent++) {
        await sender.send(bytes(1000, sent));
        // The one that was sent just now is counted after this.
        expect(sent + 1 - received).toBeLessThanOrEqual(most + 1);
      }
      sender.close();
    })();
    for await (const message of receiver) {
      expect(message.equals(bytes(1000, received))).toBe(true);
      received++;
      if (received % 100 === 0) await turn();
    }
    expect(await codeOf(producer)).toBeUndefined();
    expect([sent, received]).toEqual([3000, 3000]);
  });
});
