// Channels and the life of processes and workers: what keeps one alive, what is seen of one that ends.
import type { Channel, Receiver } from 'memmap/channel';
import { describe, expect, test } from 'vitest';
import { channel, codeOf, fill, handing, takeAll } from './support/channel.js';
import { type Program, program, start } from './support/program.js';
import { until } from './support/until.js';

const life = (scenario: string, made?: Channel): Program =>
  start(program('channel-life'), [scenario], made === undefined ? {} : handing(made));

async function ends(running: Program) {
  const { code, signal, stdout, stderr } = await running.ended;
  return { code, signal, stdout: stdout.trim().split('\n').join(', '), stderr };
}
const well = (stdout: string) => ({ code: 0, signal: null, stdout, stderr: '' });

describe('keeps the process alive', () => {
  test.each([
    ['receive', 'got message'],
    ['receive, unref, ref', 'got message'],
    ['for await', 'got message, over'],
    ['send', 'sent'],
  ])('%s', async (scenario, said) => {
    expect(await ends(life(scenario))).toEqual(well(said));
  });
});

describe('does not', () => {
  test.each([
    ['receive, unref before', ''],
    ['receive, unref after', ''],
    ['open ends', ''],
    ['for await with break', 'got message'],
    ['receive, aborted', 'AbortError'],
    ['send, closed', 'ERR_CHANNEL_CLOSED'],
    ['receive, unmapped', 'ERR_MAPPING_CLOSED'],
  ])('%s', async (scenario, said) => {
    expect(await ends(life(scenario))).toEqual(well(said));
  });
});

const deaths = (receiver: Receiver): number[] => {
  const died: number[] = [];
  receiver.on('senderDied', (lane) => died.push(lane));
  return died;
};

describe('a sender of another process', () => {
  test.each([
    ['ends in order', 0, null, 0],
    ['exits with 0', 0, null, 0],
    ['closes', 3, null, 0],
    ['exits with 3', 3, null, 1],
    ['throws', 1, null, 1],
    ['is killed', null, 'SIGKILL', 1],
    ['unmaps', 0, null, 1],
  ])('%s', async (scenario, code, signal, dead) => {
    const made = channel(256);
    const receiver = made.receiver();
    const died = deaths(receiver);
    const waiting = receiver.receive();
    const result = await life(scenario, made).ended;
    expect([result.code, result.signal]).toEqual([code, signal]);
    expect(String(await waiting)).toBe('message');
    expect(await receiver.receive()).toBeUndefined();
    expect(died).toEqual(Array(dead).fill(0));
    // Told once, and the place is free.
    made.sender().close();
    expect(await receiver.receive()).toBeUndefined();
    receiver.close();
    const next = made.receiver();
    const again = deaths(next);
    expect(await next.receive()).toBeUndefined();
    expect([died.length, again.length]).toEqual([dead, 0]);
  });

  test('that dies is told of while another one floods', async () => {
    const made = channel(1 << 16, 2);
    const receiver = made.receiver();
    const died = deaths(receiver);
    const flood = made.sender();
    fill(flood);
    expect((await life('is killed', made).ended).signal).toBe('SIGKILL');
    let count = 0;
    for await (const _ of receiver) {
      flood.trySend(Buffer.alloc(8));
      if (died.length > 0 || ++count === 5_000_000) break;
    }
    expect(died).toEqual([1]);
  });
});

describe('a receiver of another process', () => {
  test('ends in order: EPIPE for those who wait, and no death', async () => {
    const made = channel(256);
    const sender = made.sender();
    let died = 0;
    sender.on('receiverDied', () => died++);
    sender.trySend(Buffer.from('first'));
    const waiting = life('receiver ends in order', made);
    expect(await ends(waiting)).toEqual(well('first'));
    expect(await codeOf(sender.send(Buffer.from('second')))).toBe('EPIPE');
    expect(died).toBe(0);
  });

  test('is killed: senders that wait are told once, and go on with the next', async () => {
    const made = channel(256);
    const sender = made.sender();
    let died = 0;
    sender.on('receiverDied', () => died++);
    sender.trySend(Buffer.from('first'));
    const { signal, stdout } = await life('receiver is killed', made).ended;
    expect([signal, stdout]).toEqual(['SIGKILL', 'first\n']);
    const count = fill(sender, Buffer.from('12345678'));
    const waiting = sender.send(Buffer.from('last'));
    await until('receiverDied', () => died > 0);
    const receiver = made.receiver();
    expect(takeAll(receiver)).toHaveLength(count);
    await waiting;
    expect(String(receiver.tryReceive())).toBe('last');
    fill(sender);
    expect(sender.sendSync(Buffer.from('none'), 250)).toBe(false);
    expect(died).toBe(1);
  });
});

test('a process whose locks were overwritten ends in order all the same', async () => {
  const made = channel(256, 3);
  expect(await ends(life('with a lock that was overwritten', made))).toEqual(well('EPERM, false'));
  // The one that was not overwritten has been closed.
  const receiver = made.receiver();
  const died = deaths(receiver);
  expect(await receiver.receive()).toBeUndefined();
  expect(died).not.toContain(1);
});
