// ready(): waits for a message, and leaves it where it is.
import { Channel } from 'memmap/channel';
import { expect, onTestFinished, test } from 'vitest';
import { outcome } from './support/sync.js';

function pair() {
  const channel = Channel.create({ capacity: 4096 });
  onTestFinished(() => channel.memory.unmap());
  return { channel, receiver: channel.receiver(), sender: channel.sender() };
}

test('true while there is a message, which drain() then sees', async () => {
  const { receiver, sender } = pair();
  const waiting = receiver.ready();
  sender.trySend(Buffer.from('one'));
  sender.trySend(Buffer.from('two'));
  expect(await waiting).toBe(true);
  expect(await receiver.ready()).toBe(true);
  const seen: string[] = [];
  expect(receiver.drain((message) => seen.push(message.toString()))).toBe(2);
  expect(seen).toEqual(['one', 'two']);
});

test('a loop of ready() and drain() sees all, and ends when every sender has closed', async () => {
  const { receiver, sender } = pair();
  let next = 0;
  const sending = (async () => {
    for (let i = 0; i < 5000; i++) await sender.send(Buffer.from(`${i}`));
    sender.close();
  })();
  while (await receiver.ready()) {
    receiver.drain((message) => expect(message.toString()).toBe(`${next++}`), 100);
  }
  await sending;
  expect(next).toBe(5000);
});

test('beside receive(): each caller has its turn', async () => {
  const { receiver, sender } = pair();
  const first = receiver.receive();
  const there = receiver.ready();
  const second = receiver.receive();
  for (const text of ['a', 'b']) sender.trySend(Buffer.from(text));
  expect(String(await first)).toBe('a');
  expect(await there).toBe(true);
  expect(String(await second)).toBe('b');
});

test.each(['close', 'unmap'])('%s() while it looks again, before it sleeps', async (how) => {
  const { channel, receiver, sender } = pair();
  for (let i = 0; i < 20; i++) sender.trySend(Buffer.from('one of many'));
  expect(await receiver.ready()).toBe(true);
  receiver.drain(() => {});
  const waiting = outcome(receiver.ready());
  if (how === 'close') receiver.close();
  else channel.memory.unmap();
  expect(await waiting).toBe(how === 'close' ? false : 'ERR_MAPPING_CLOSED');
});

test('ends with the signal, with close() and with unmap()', async () => {
  const { channel, receiver } = pair();
  const abort = new AbortController();
  const reason = new Error('enough');
  const aborted = receiver.ready({ signal: abort.signal });
  const closed = receiver.ready();
  abort.abort(reason);
  await expect(aborted).rejects.toBe(reason);
  receiver.close();
  expect(await closed).toBe(false);
  expect(await outcome(receiver.ready())).toBe('ERR_CHANNEL_CLOSED');
  const next = channel.receiver();
  const unmapped = next.ready();
  channel.memory.unmap();
  expect(await outcome(unmapped)).toBe('ERR_MAPPING_CLOSED');
});
